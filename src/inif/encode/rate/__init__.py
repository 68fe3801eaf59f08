"""The one rate control: a model from few bricks, every brick once, then few bricks again."""
