"""From real-valued weights to bytes and back: quantisation, entropy models, the QWTS section."""
