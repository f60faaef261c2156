#!/usr/bin/env python3
"""Serves this folder to the browsers of this machine (or, with --everywhere, of the network): python3 serve.py [PORT]

A browser gives a page the camera only over HTTPS or from this machine itself (http://localhost); elsewhere the page takes
photos instead.
"""
import argparse
import functools
import http.server
import pathlib

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("port", nargs="?", type=int, default=8000)
parser.add_argument("--everywhere", action="store_true", help="answer other machines too")
arguments = parser.parse_args()


class Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm",
                      ".js": "text/javascript", ".lead": "application/octet-stream"}

    def log_message(self, *_):
        pass


handler = functools.partial(Handler, directory=pathlib.Path(__file__).parent)
with http.server.ThreadingHTTPServer(("" if arguments.everywhere else "localhost", arguments.port), handler) as server:
    print(f"http://localhost:{server.server_port}/   (ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
