"""Tells a student how full the home is and what fills it, and starts kernels in a home that is full.

It runs in whatever image the course chose, from a mounted folder: Python 3.9 and what comes with JupyterLab 4 must do.

jupyter-resource-usage 1.3 shows the disk as well, but only as figures: it knows neither that nothing can be written any
more nor what could be deleted, shows no message, and it would have to be in every image.
"""
