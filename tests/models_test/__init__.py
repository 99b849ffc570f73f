"""Unit tests of the Python package `models`; run from the repository root:

python3 -m unittest discover -s tests/models_test -t . -p "*_test.py"
"""
