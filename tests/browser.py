#!/usr/bin/env python3
"""browser.py PAGE [--size WxH] [--dark] [--script FILE] [--png FILE] [--pdf FILE]: a page in headless Chromium, over its debugging pipe.

Prints what the script (an async function's body) returns. Exit 1 where the page or the script threw or wrote an error to the console, or asked for
anything but itself. Needs Python's standard library and chromium."""
import argparse
import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

NAMES = ["chromium", "chromium-browser", "google-chrome"]
TIME = 60  # seconds for all of it


class Browser:
    def __init__(self, profile, size):
        down, self.to = os.pipe()
        self.answers, up = os.pipe()
        for fd in (down, up):
            os.set_inheritable(fd, True)
        chromium = next(filter(None, map(shutil.which, NAMES)), None)
        if not chromium:
            sys.exit("browser.py: none of " + ", ".join(NAMES))
        command = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir=" + profile,
                   "--window-size=%s" % size.replace("x", ","), "--remote-debugging-pipe", "about:blank"]
        # fds 3 and 4 are the pipe's
        self.process = subprocess.Popen(["sh", "-c", 'exec "$@" 3<&%d 4>&%d' % (down, up), "sh"] + command, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(down)
        os.close(up)
        self.rest, self.number, self.session, self.seen = b"", 0, None, []

    def read(self):
        while b"\0" not in self.rest:
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                sys.exit("browser.py: chromium went away")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit("browser.py: %s: %s" % (method, answer["error"]))
                return answer["result"]
            self.seen.append(answer)

    def until(self, method):
        while not any(m.get("method") == method for m in self.seen):
            self.seen.append(self.read())


def complaints(seen, page):
    for m in seen:
        p = m.get("params", {})
        if m.get("method") == "Runtime.exceptionThrown":
            yield "exception: %s" % p["exceptionDetails"].get("exception", p["exceptionDetails"]).get("description", p["exceptionDetails"])
        elif m.get("method") == "Runtime.consoleAPICalled" and p["type"] in ("error", "assert"):
            yield "console: %s" % [a.get("value") for a in p["args"]]
        elif m.get("method") == "Log.entryAdded" and p["entry"]["level"] == "error":
            yield "log: %s" % p["entry"]["text"]
        elif m.get("method") == "Network.requestWillBeSent" and p["request"]["url"] != page and not p["request"]["url"].startswith(("data:", "blob:")):
            yield "request: %s" % p["request"]["url"]


def visit(b, args, page):
    target = b.call("Target.createTarget", url="about:blank")["targetId"]
    b.session = b.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        b.call(domain + ".enable")
    b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if args.dark else "light"}])
    b.call("Page.navigate", url=page)
    b.until("Page.loadEventFired")
    if args.script:
        body = pathlib.Path(args.script).read_text()
        result = b.call("Runtime.evaluate", expression="(async () => {%s\n})()" % body, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            d = result["exceptionDetails"]
            sys.exit("browser.py: the script: %s" % d.get("exception", d).get("description", d))
        print(result["result"].get("value"))
    if args.png:
        pathlib.Path(args.png).write_bytes(base64.b64decode(b.call("Page.captureScreenshot")["data"]))
    if args.pdf:
        pathlib.Path(args.pdf).write_bytes(base64.b64decode(b.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("page")
    p.add_argument("--size", default="1280x900")
    p.add_argument("--dark", action="store_true")
    for name in ("--script", "--png", "--pdf"):
        p.add_argument(name)
    args = p.parse_args()
    page = pathlib.Path(args.page).resolve().as_uri()
    profile = tempfile.mkdtemp()
    b = Browser(profile, args.size)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("browser.py: not done within %d s" % TIME))
    signal.alarm(TIME)
    try:
        visit(b, args, page)
        wrong = list(complaints(b.seen, page))
    finally:
        b.process.kill()
        b.process.wait()
        shutil.rmtree(profile, ignore_errors=True)
    for w in wrong:
        print("browser.py: " + w, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
