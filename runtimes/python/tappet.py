"""Functions of Tappet in Python: the standard library only.

    import tappet

    @tappet.function
    def handler(event, ctx):
        ctx.log.info("hello", name=event["data"]["name"])
        return {"hello": event["data"]["name"]}

What handlers print goes to the log of their run. The lines that travel are described in docs/languages.md.
"""

import base64
import contextvars
import json
import math
import os
import sys
import threading
import traceback

__all__ = ["FatalError", "RetryAfterError", "Response", "SendError", "Context", "function"]

_run = contextvars.ContextVar("tappet_run", default=None)


class FatalError(Exception):
    """No other try can help: the run goes to the dead letters now."""


class RetryAfterError(Exception):
    """Try again, but not before `seconds` from now."""

    def __init__(self, message, seconds):
        super().__init__(message)
        self.seconds = seconds


class SendError(Exception):
    """The broker did not take a message. `code` says why."""

    def __init__(self, message, code):
        super().__init__(message)
        self.code = code


class Response:
    """What a caller gets who waits for the result of an HTTP request. `body`: text, bytes, or what JSON can hold."""

    def __init__(self, body=None, status=200, headers=None):
        self.status = status
        self.headers = {name.lower(): value for name, value in (headers or {}).items()}
        if body is None:
            self.body = b""
        elif isinstance(body, (bytes, bytearray)):
            self.body = bytes(body)
        elif isinstance(body, str):
            self.body = body.encode()
            self.headers.setdefault("content-type", "text/plain; charset=utf-8")
        else:
            self.body = json.dumps(body).encode()
            self.headers.setdefault("content-type", "application/json")

    def _json(self):
        body = base64.b64encode(self.body).decode()
        return {"~response": {"status": self.status, "headers": list(self.headers.items()), "body": body}}


class Log:
    """`ctx.log.info("message", field=value)`."""

    def __init__(self, channel, run):
        self._channel = channel
        self._run = run

    def _write(self, level, message, fields):
        try:
            json.dumps(fields, default=str, allow_nan=False)
        except (TypeError, ValueError):
            fields = {"value": repr(fields)}
        self._channel.say(
            {"type": "log", "id": self._run, "level": level, "message": str(message), "fields": fields or None}
        )

    def debug(self, message, **fields):
        self._write("debug", message, fields)

    def info(self, message, **fields):
        self._write("info", message, fields)

    def warn(self, message, **fields):
        self._write("warn", message, fields)

    def error(self, message, **fields):
        self._write("error", message, fields)


class Context:
    """What a handler may touch besides its event."""

    def __init__(self, channel, message):
        self._channel = channel
        self._id = message["id"]
        self.function_id = os.environ.get("TAPPET_FUNCTION_ID", "")
        self.run_id = message["runId"]
        self.attempt = message["attempt"]
        self.max_attempts = message["maxAttempts"]
        #: W3C Trace Context: what calls of yours should follow. None without a trace.
        self.traceparent = (message.get("trace") or {}).get("traceparent")
        self.log = Log(channel, self._id)
        #: Set at the timeout and on cancellation. A second later the process is killed.
        self.cancelled = threading.Event()

    def send(self, queue, data, key=None, delay=0):
        """Puts a message on a queue; returns when it is durable. `delay` in seconds. Raises SendError, and what
        json.dumps raises for data that JSON cannot hold."""
        json.dumps(data, allow_nan=False)
        self._channel.ask(
            {
                "type": "send",
                "id": self._id,
                "queue": queue,
                "data": data,
                "key": key,
                "delayMs": round(delay * 1000),
            }
        )


class _Channel:
    def __init__(self):
        # What handlers print must not get between the lines that travel.
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
        os.dup2(2, 1)
        self._in = os.fdopen(os.dup(0), "r", encoding="utf-8", newline="\n")
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        self._lock = threading.Lock()
        self._asked = {}
        self._next = 0

    def lines(self):
        for line in self._in:
            if line.strip():
                yield json.loads(line)

    def say(self, message):
        line = json.dumps(message, default=str, ensure_ascii=False)
        # Halves of characters cannot travel.
        line = line.encode("utf-8", "replace").decode()
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()

    def ask(self, message):
        answered = threading.Event()
        answer = {}
        with self._lock:
            self._next += 1
            call = self._next
            self._asked[call] = (answered, answer)
        self.say({**message, "call": call})
        answered.wait()
        if not answer["ok"]:
            error = answer["error"]
            raise SendError(error["message"], error.get("code"))

    def replied(self, message):
        with self._lock:
            answered, answer = self._asked.pop(message["call"], (None, None))
        if answered:
            answer.update(message)
            answered.set()


class _Printed:
    """stdout of handlers: whole lines go to the log of the run that prints them."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, plain):
        self._plain = plain

    def write(self, text):
        context = _run.get()
        if context is None:
            return self._plain.write(text)
        rest = getattr(context, "_printed", "") + text
        *lines, context._printed = rest.split("\n")
        for line in lines:
            context.log.info(line)
        return len(text)

    def flush(self):
        self._plain.flush()

    def isatty(self):
        return False

    def fileno(self):
        return self._plain.fileno()

    def writable(self):
        return True


def _message(thrown):
    try:
        return str(thrown) or type(thrown).__name__
    except Exception:
        return type(thrown).__name__


def _error(thrown):
    error = {
        "name": type(thrown).__name__,
        "message": _message(thrown),
        "stack": "".join(traceback.format_exception(type(thrown), thrown, thrown.__traceback__)),
        "retryable": not isinstance(thrown, FatalError),
    }
    code = getattr(thrown, "code", None)
    if isinstance(code, str):
        error["code"] = code
    if isinstance(thrown, RetryAfterError) and math.isfinite(thrown.seconds):
        error["retryAfterMs"] = max(0, round(thrown.seconds * 1000))
    return error


def _call(channel, handler, message, context):
    _run.set(context)
    try:
        result = handler(message["event"], context)
        if isinstance(result, Response):
            result = result._json()
        answer = {"type": "result", "id": message["id"], "result": result}
    except Exception as thrown:
        answer = {"type": "error", "id": message["id"], "error": _error(thrown)}
    try:
        json.dumps(answer, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as thrown:
        error = {**_error(thrown), "code": "TPT_RESULT_INVALID", "retryable": False}
        answer = {"type": "error", "id": message["id"], "error": error}
    if getattr(context, "_printed", ""):
        print()
    channel.say(answer)


def function(handler):
    """Serves events with `handler(event, ctx)` until the broker has no more. Each call has a thread of its own."""
    channel = _Channel()
    sys.stdout = _Printed(os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace", buffering=1))
    open_calls = {}

    def serve(message, context):
        try:
            contextvars.copy_context().run(_call, channel, handler, message, context)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        finally:
            open_calls.pop(message["id"], None)

    channel.say({"type": "ready"})
    for message in channel.lines():
        kind = message.get("type")
        if kind == "invoke":
            context = open_calls[message["id"]] = Context(channel, message)
            threading.Thread(target=serve, args=(message, context), daemon=True).start()
        elif kind == "ping":
            channel.say({"type": "pong", "id": message["id"]})
        elif kind == "reply":
            channel.replied(message)
        elif kind == "cancel":
            context = open_calls.get(message["id"])
            if context:
                context.cancelled.set()
    sys.stderr.flush()
    os._exit(0)
