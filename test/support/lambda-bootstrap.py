# A runtime as Lambda's documentation describes one, with the standard library only: it knows nothing of Tappet.
import importlib, json, os, sys, traceback, urllib.error, urllib.request

API = "http://%s/2018-06-01/runtime" % os.environ["AWS_LAMBDA_RUNTIME_API"]


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.trace_id = headers["Lambda-Runtime-Trace-Id"]
        self.client_context = json.loads(headers.get("Lambda-Runtime-Client-Context", "null"))
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]


def post(path, body, headers={}):
    request = urllib.request.Request(API + path, json.dumps(body).encode(), headers)
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as refused:
        print("refused: %d %s" % (refused.code, refused.read().decode()))
        return refused.code


def describe(error):
    lines = traceback.format_tb(error.__traceback__)
    return {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": lines}


try:
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    module, name = os.environ["_HANDLER"].split(".")
    handler = getattr(importlib.import_module(module), name)
except Exception as error:
    post("/init/error", describe(error), {"Lambda-Runtime-Function-Error-Type": "Runtime.ImportError"})
    sys.exit(1)

while True:
    with urllib.request.urlopen(API + "/invocation/next") as invocation:
        context = Context(invocation.headers)
        event = json.load(invocation)
    path = "/invocation/" + context.aws_request_id
    try:
        result = handler(event, context)
    except Exception as error:
        post(path + "/error", describe(error), {"Lambda-Runtime-Function-Error-Type": "Runtime.Unhandled"})
    else:
        post(path + "/response", result)
