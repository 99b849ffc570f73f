"""Where training pictures come from: collected cut-outs and backgrounds, and the scenes composed of them."""
