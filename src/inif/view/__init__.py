"""The page of ``inif view``: a file, beside its original, in the browser of its own machine.

`scene` gives samples of both images tile by tile, `figures` what they differ by, `facts` what the
page says of them, `app` serves all of that, and `run` binds it to a port and opens a browser. The
page itself is in `page`: plain HTML, CSS and JavaScript modules, served as they are.
"""
