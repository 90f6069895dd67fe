"""Options of real clients become policies; what cannot be said is listed, and nothing is run."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simlib as sl
from simlib.core.backoff_kinds import Growth, Jitter
from simlib.core.errors import FileError, SettingsError
from simlib.studies.policy.imports.policy_from import KINDS
from tests.batteries import examples

SOCKET_IO = """
// as it stands in the client
const socket = io("wss://example.org", {
  reconnectionDelay: 2 * 250,  // ms
  reconnectionDelayMax: 20_000,
  randomizationFactor: 0.25,
  reconnectionAttempts: 10,
  timeout: 8000,
  transports: ["websocket"],
  auth: { token: getToken() },
});
"""
RESILIENCE4J = """
resilience4j:
  retry:
    configs:
      default:
        wait-duration: 250ms
    instances:
      backend:
        max-attempts: 5
        enable-exponential-backoff: true
        exponential-backoff-multiplier: 3
        exponential-max-wait-duration: 10s
        enable-randomized-wait: true
        randomized-wait-factor: 0.4
        retry-exceptions: [java.io.IOException]
  circuitbreaker:
    instances:
      backend:
        slidingWindowSize: 20
        minimumNumberOfCalls: 10
        failureRateThreshold: 60
        waitDurationInOpenState: 15000
        permittedNumberOfCallsInHalfOpenState: 3
  timelimiter.instances.backend.timeoutDuration: 2s
"""
SERVICE_CONFIG = """
{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s",
  "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}],
 "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}
"""
VIRTUAL_SERVICE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
spec:
  http:
  - route: [{destination: {host: chat}}]
    retries: {attempts: 3, perTryTimeout: 2s, backoff: 50ms}
---
kind: DestinationRule
spec:
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 7, baseEjectionTime: 1m}
"""
POLLY = """
{"Retry": {"MaxRetryAttempts": 5, "Delay": "00:00:01.5", "BackoffType": "Linear", "UseJitter": true,
           "MaxDelay": "00:00:30"},
 "CircuitBreaker": {"FailureRatio": 0.5, "MinimumThroughput": 8, "BreakDuration": "00:00:10"},
 "AttemptTimeout": {"Timeout": "00:00:04"}, "TotalRequestTimeout": {"Timeout": "00:02:00"}}
"""
POLLY_IN_CODE = """
new ResiliencePipelineBuilder().AddRetry(new RetryStrategyOptions<HttpResponseMessage>
{
    MaxRetryAttempts = 4,
    Delay = TimeSpan.FromMilliseconds(500),
    BackoffType = DelayBackoffType.Exponential,
    UseJitter = true,
})
"""
LIVE_SOCKET = """
let liveSocket = new LiveSocket("/live", Socket, {
  reconnectAfterMs: (tries) => { return [100, 500][tries - 1] || 4000; },
  heartbeatIntervalMs: 10000
})
"""
HUB = """
const connection = new signalR.HubConnectionBuilder()
    .withUrl("/chat")
    .withAutomaticReconnect([0, 1000, 10000, null])
    .build();
"""
TENACITY = """
from tenacity import retry, stop_after_attempt, wait_exponential

@retry(wait=wait_exponential(multiplier=2, min=4, max=60), stop=stop_after_attempt(7), reraise=True)
async def connect():
    ...
"""
RECONNECTING = """
const rws = new ReconnectingWebSocket(url, [], {
  minReconnectionDelay: 500 + Math.random() * 1000,
  maxRetries: 7, minUptime: 2000,
});
"""
ENVOY = """
retry_policy: {num_retries: 3, retry_back_off: {base_interval: 0.25s}}
outlier_detection: {consecutive_5xx: 3, base_ejection_time: 15s}
"""
WORK_QUEUE = """
workqueue.NewTypedMaxOfRateLimiter(
    workqueue.NewTypedItemExponentialFailureRateLimiter[string](
        5*time.Millisecond, 1000*time.Second,
    ),
    &workqueue.TypedBucketRateLimiter[string]{Limiter: rate.NewLimiter(rate.Limit(10), 100)},
)
"""
CASES = {
    "socket.io-client": (
        SOCKET_IO,
        "socket.io-client",
        {"base_s": 0.5, "cap_s": 20, "spread_fraction": 0.25, "max_attempts": 10},
    ),
    "reconnecting-websocket": (
        RECONNECTING,
        "reconnecting-websocket",
        {"base_s": 1, "spread_fraction": 0.5, "drawn_once": True, "max_attempts": 7,
         "stable_after_s": 2},
    ),
    "partysocket": (
        '{"host": "a.b", "room": "x", "maxReconnectionDelay": 20000}',
        "partysocket",
        {"base_s": 3, "cap_s": 20, "jitter": Jitter.NONE, "factor": 1.3},
    ),
    "graphql-ws": (
        "createClient({url: 'ws://x', retryAttempts: Infinity, shouldRetry: () => true})",
        "graphql-ws",
        {"max_attempts": float("inf"), "add_least_s": 0.3, "add_most_s": 3},
    ),
    "phoenix": (LIVE_SOCKET, "phoenix", {"steps_s": (0.1, 0.5, 4), "jitter": Jitter.NONE}),
    "signalr": (HUB, "signalr", {"steps_s": (0, 1, 10), "max_attempts": 3}),
    "signalr in C#": (
        "builder.WithAutomaticReconnect(new[] { TimeSpan.Zero, TimeSpan.FromMinutes(1) })",
        "signalr",
        {"steps_s": (0, 60), "max_attempts": 2},
    ),
    "polly": (
        POLLY,
        "polly",
        {"growth": Growth.LINEAR, "base_s": 1.5, "rise_s": 1.5, "spread_fraction": 0.25,
         "max_attempts": 5, "cap_s": 30, "give_up_after_s": 120},
    ),
    "polly in C#": (
        POLLY_IN_CODE,
        "polly",
        {"jitter": Jitter.FULL, "base_s": 0.5, "max_attempts": 4},
    ),
    "resilience4j": (
        RESILIENCE4J,
        "resilience4j",
        {"base_s": 0.25, "factor": 3, "cap_s": 10, "spread_fraction": 0.4, "max_attempts": 4},
    ),
    "grpc-service-config": (
        SERVICE_CONFIG,
        "grpc-service-config",
        {"base_s": 0.1, "cap_s": 1, "max_attempts": 3, "spread_fraction": 0.2},
    ),
    "grpc-channel": (
        'options = [("grpc.initial_reconnect_backoff_ms", 500), ("grpc.keepalive_time_ms", 9000)]',
        "grpc-channel",
        {"first_s": 0.5, "base_s": 0.5, "factor": 1.6, "cap_s": 120},
    ),
    "envoy": (
        ENVOY,
        "envoy",
        {"base_s": 0.25, "cap_s": 2.5, "max_attempts": 3, "jitter": Jitter.FULL},
    ),
    "istio": (VIRTUAL_SERVICE, "istio", {"base_s": 0.05, "cap_s": 0.5, "max_attempts": 3}),
    "aws in a profile": (
        "[default]\nregion = eu-west-1\nretry_mode = standard\nmax_attempts = 4",
        "aws-sdk",
        {"base_s": 0.05, "cap_s": 20, "max_attempts": 3, "jitter": Jitter.FULL},
    ),
    "aws in the environment": (
        "export AWS_RETRY_MODE=adaptive\nexport AWS_MAX_ATTEMPTS=6",
        "aws-sdk",
        {"max_attempts": 5},
    ),
    "aws in botocore": (
        "Config(retries={'max_attempts': 8, 'mode': 'legacy'})",
        "aws-sdk",
        {"max_attempts": 8, "base_s": 1},
    ),
    "tenacity": (
        TENACITY,
        "tenacity",
        {"base_s": 2, "floor_s": 4, "cap_s": 60, "max_attempts": 7, "after_loss_s": 0},
    ),
    "tenacity's sum": (
        "wait_fixed(3) + wait_random(0, 2)",
        "tenacity",
        {"steps_s": (3,), "jitter": Jitter.ADDITIVE, "add_most_s": 2},
    ),
    "tenacity's chain": (
        "Retrying(wait=wait_chain(wait_fixed(1), wait_fixed(5)), stop=stop_after_delay(90))",
        "tenacity",
        {"steps_s": (1, 5), "give_up_after_s": 90},
    ),
    "stamina": (
        "@stamina.retry(on=OSError, attempts=None, timeout=dt.timedelta(minutes=2), wait_max=9)",
        "stamina",
        {"base_s": 0.1, "cap_s": 9, "max_attempts": float("inf"), "give_up_after_s": 120},
    ),
    "wait.Backoff": (
        "wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2.0, Jitter: 1.0, Steps: 6}",
        "client-go-backoff",
        {"base_s": 0.2, "jitter": Jitter.BELOW, "spread_fraction": 0.5, "max_attempts": 5},
    ),
    "a work queue": (
        WORK_QUEUE,
        "client-go-workqueue",
        {"base_s": 0.005, "cap_s": 1000, "jitter": Jitter.NONE},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_options_as_they_stand_in_a_program_become_a_policy(name):
    text, kind, wanted = CASES[name]
    found = sl.policy_from(text)
    assert kind == found.kind
    backoff = found.client.backoff
    assert wanted == {key: pytest.approx(getattr(backoff, key)) for key in wanted}


@pytest.mark.parametrize("name", CASES)
def test_a_policy_that_was_imported_is_a_scenario_that_reads_back(name):
    found = sl.policy_from(CASES[name][0])
    assert found.client == sl.loads(found.policy_toml()).client


def test_every_kind_has_a_case():
    assert KINDS.keys() == {kind for _, kind, _ in CASES.values()}


def test_what_is_beside_the_waits_is_read_too():
    r4j = sl.policy_from(RESILIENCE4J).client
    assert (0.6, 20, 10, 15, 3) == (
        r4j.breaker.failure_fraction,
        r4j.breaker.window,
        r4j.breaker.least,
        r4j.breaker.open_s,
        r4j.breaker.probes,
    )
    assert 2 == r4j.connect_timeout_s
    assert (7, 60) == (
        sl.policy_from(VIRTUAL_SERVICE).client.breaker.trip_after,
        sl.policy_from(VIRTUAL_SERVICE).client.breaker.open_s,
    )
    assert sl.AttemptBudget(per_s=0, burst=4, success_fraction=0.1) == (
        sl.policy_from(SERVICE_CONFIG).client.attempt_budget
    )
    queue = sl.policy_from(CASES["a work queue"][0]).client
    assert sl.Rate(per_s=10, burst=100) == queue.connect_budget


#: What of a client's options says nothing but its defaults, and the preset that has these.
DEFAULTS = {
    "socket.io-client": ("{}", "socket.io-client"),
    "reconnecting-websocket": ("{}", "reconnecting-websocket"),
    "partysocket": ("{}", "partysocket"),
    "graphql-ws": ("{}", "graphql-ws"),
    "phoenix": ("[10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000]", "phoenix"),
    "signalr": ("[0, 2000, 10000, 30000]", "signalr"),
    "grpc-channel": ("{}", "grpc-spec"),
    "envoy": ("{}", "envoy"),
    "istio": ("{}", "istio"),
}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_options_that_change_nothing_give_the_preset(kind):
    text, preset = DEFAULTS[kind]
    assert sl.presets[preset].client == sl.policy_from(text, kind).client


def test_what_the_model_does_not_have_is_listed():
    found = sl.policy_from(SOCKET_IO)
    assert ["auth", "transports"] == sorted(lack.partition(":")[0] for lack in found.lacks)
    code = sl.policy_from("{retryAttempts: 3, retryWait: async n => sleep(n)}", "graphql-ws")
    assert any(lack.startswith("retryWait") for lack in code.lacks)
    time = sl.policy_from("new RetryStrategyOptions { MaxRetryAttempts = 4, Delay = delay }")
    assert "Delay = delay: is code, which is not run; here it is 2 s" in time.lacks
    assert any("is drawn from 0" in note for note in sl.policy_from(POLLY_IN_CODE).notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{reconnectionDelay: 1}", "reconnectionDelay = 1: is taken as milliseconds"),
        ("{reconnectionDelay: 5000, reconnectionDelayMax: 30}", "Are both in the same unit?"),
        ("wait_fixed(5000)", "wait = 5000: is taken as seconds"),
        ("{retryPolicy: {maxAttempts: 9, initialBackoff: '1s', maxBackoff: '2s'}}", "take 5"),
        ("wait.Backoff{Duration: time.Second, Factor: 2, Steps: 9, Cap: 5 * time.Second}",
         "3 of 9 steps"),
    ],
)  # fmt: skip
def test_what_is_hardly_meant_is_noted(text, words):
    assert any(words in note for note in sl.policy_from(text).notes)


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nnum_retries: [*b, *b]\n"
BAD = {
    "misspelt beside a known key": (
        '{"reconnectionDelay": 500, "reconnectionDelaMax": 5}', None,
        r'^options: reconnectionDelaMax = 5: is no .*did you mean "reconnectionDelayMax"'),
    "misspelt alone": ('{"reconectionDelay": 5}', None, 'did you mean "reconnectionDelay"'),
    "a unit in a number of milliseconds": (
        '{"reconnectionDelay": "5s"}', None, '^options: reconnectionDelay = "5s": must be'),
    "a number without the unit it needs": (
        '{"retryPolicy": {"initialBackoff": 5, "maxBackoff": "1s"}}', None,
        r"retryPolicy.initialBackoff = 5: must be a time with its unit"),
    "below 0": ("[-10, 50]", "phoenix", r"reconnectAfterMs\[0\] = -10: must be a number"),
    "more than there can be": ("{randomizationFactor: NaN}", None, "randomizationFactor = nan"),
    "a time that is none": (
        "wait.Backoff{Duration: NaN * time.Second, Factor: 2, Jitter: 1, Steps: 6}", None,
        "Duration = nan s: must be a time of 0 or more"),
    "a time below 0": (
        "wait.Backoff{Duration: -1 * time.Second, Factor: 2, Jitter: 1, Steps: 6}", None,
        "Duration = -1 s: must be a time of 0 or more"),
    "half of a JSON": ('{"reconnectionDelay": 500,', None, r"^options: is not whole JSON \(line 1"),
    "a key that stands twice": (
        '{"maxRetries": 1, "maxRetries": 2}', None, "maxRetries = 2: stands twice"),
    "a key that stands twice in YAML": (
        "retry_policy:\n  - {num_retries: 1,\n     num_retries: 2}", None,
        'line 3 = "num_retries": stands twice'),
    "a whole number beyond every float": (
        f'{{"reconnectionDelay": 1{"0" * 400}}}', None, r"reconnectionDelay = 10+: is too large"),
    "such a one in YAML": (
        f"retry_policy: {{num_retries: 0x{'f' * 4000}}}", None, "num_retries = .*: is too large"),
    "a sum beyond every float": (
        "{reconnectionDelay: 9**9**9, maxDelay: 1}", None, "options: maxDelay = 1: is no option"),
    "an alias in YAML": (BOMB, None, 'line 2 = "a": is an alias'),
    "YAML with a tag": ("retry_policy: !!python/object/apply:os.system [ls]", None, "is not YAML"),
    "code for a number": (
        "{maxRetries: [].length}", "signalr", r"^options: maxRetries = \[\].length: is no option"),
    "a call for a number": (
        '{reconnectionDelay: __import__("os").getpid()}', None, "is code, which is not run"),
    "a list that goes on": ("[10, 50, ...]", "phoenix", r"reconnectAfterMs\[2\] = ...: is code"),
    "two kinds": ("[10, 50]", None, "fits phoenix and signalr, which differ: say which"),
    "no kind": ("hello", None, "is of no kind that is known"),
    "nothing": (" \n", None, "is empty"),
    "too much": ("[" + "1," * 40_000 + "]", None, "is longer than 64,000 characters"),
    "too deep": ("[" * 5000, None, "^options: line 1: is nested deeper than 100 levels"),
    "hardly too deep": ("- " * 101 + "a: 1", None, "is nested deeper than 100 levels"),
    "many empty lines": ("\n" * 60_000 + "hello", None, "is of no kind that is known"),
    "a name of simlib's own": ("__string1__", None, "is of no kind that is known"),
    "many comments that do not end": ("/* " * 20_000, "polly", "holds no options of polly"),
    "many types that do not end": ("a<" * 30_000, "polly", "is no JSON"),
    "many blanks": ("const x = 1" + " " * 60_000 + "const", "polly", "is no JSON"),
    "many brackets": ("{a: " * 9000, "polly", "is nested deeper than 100 levels"),
    "another kind than was said": ("[10, 50]", "tenacity", "holds no options of tenacity"),
    "several instances": (
        "resilience4j.retry: {instances: {a: {maxAttempts: 2}, b: {maxAttempts: 3}}}", None,
        "retry.instances.* is no option of resilience4j"),
    "a bad strategy": ("wait_fixed(1, 2)", None, "takes 1 arguments at most"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_one_sentence_that_says_what_is_wrong(name):
    text, kind, words = BAD[name]
    with pytest.raises(SettingsError, match=words) as raised:
        sl.policy_from(text, kind)
    assert 1 == len(str(raised.value).splitlines())


@pytest.mark.parametrize("key", ["maxRetries", "reconnectionDelay", "wait", "x"])
@pytest.mark.parametrize("form", ["{{{}: {}}}", "f({}={})", "@retry({}={})", "{}: {}", "[{1}]"])
def test_nothing_in_a_text_is_run(key, form, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in ('__import__("pathlib").Path("run").touch()', '(lambda: open("run", "w"))()'):
        with suppress(SettingsError):
            sl.policy_from(form.format(key, code))
    assert [] == list(tmp_path.iterdir())


def test_a_file_is_named_and_its_ending_says_how_to_read_it(tmp_path):
    file = tmp_path / "options.json"
    file.write_text('{"reconnectionDelay": 500')
    with pytest.raises(FileError, match=rf"^{file}: is not whole JSON \(line 1, column 26"):
        sl.policy_from(file)
    file.write_text('\ufeff{"reconnectionDelay": 500}', encoding="utf-8")
    assert 0.5 == sl.policy_from(str(file)).client.backoff.base_s
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="is no text in UTF-8"):
        sl.policy_from(file)
    with pytest.raises(FileError, match="cannot be read"):
        sl.policy_from(Path(tmp_path / "none.json"))


def test_options_may_be_values_of_python():
    found = sl.policy_from({"reconnectionDelay": 500}, source="mine")
    assert ("mine", 0.5) == (found.source, found.client.backoff.base_s)
    assert "Policy of socket.io-client" in repr(found)
    assert "Policy of" in found._repr_html_()


# --- anything at all ----------------------------------------------------------------------

KEYS = sorted(
    set().union(*(kind.signs | kind.keys | kind.unsayable.keys() for kind in KINDS.values()))
    | {"Duration", "maxAttempts", "initialBackoff", "maxBackoff", "instances", "num_retries"}
)
NUMBERS = st.integers(-(10**30), 10**30) | st.floats() | st.sampled_from([0, 1, 0.5, 1000, 30000])
LEAVES = (
    st.none() | st.booleans() | NUMBERS | st.text(max_size=6)
    | st.sampled_from(["5s", "PT1M", "00:00:05", "exponential", "standard", "1e400s"])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def is_read_or_refused(options, kind=None):
    try:
        found = sl.policy_from(options, kind)
    except SettingsError as error:
        said = str(error)
    else:
        said = repr(found.client == sl.loads(found.policy_toml()).client)
    assert 1 == len(said.splitlines())
    assert said != "False"


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)
    | VALUES.filter(lambda value: isinstance(value, list)),
    st.none() | st.sampled_from(sorted(KINDS)),
)
@settings(max_examples=examples(300), deadline=None)
def test_any_values_are_read_or_refused(options, kind):
    is_read_or_refused(options, kind)


FRAGMENTS = st.sampled_from([
    *KEYS, "{", "}", "[", "]", "(", ")", ":", ",", "=", "=>", "||", "new ", ".", "\n", " ", "'",
    '"',
    "1000", "0.5", "5s", "Math.random()", "*", "+", "|", "wait_fixed(", "wait_random(",
    "stop_after_attempt(", "@retry(", "wait.Backoff{", "time.Second", "TimeSpan.FromSeconds(",
    "- ", "&a", "*a", "retry_mode = standard", "//", "/*", "lambda x:", "...", "\x00",
])  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=25).map("".join), st.none() | st.sampled_from(sorted(KINDS)))
@settings(max_examples=examples(300), deadline=None)
def test_any_text_is_read_or_refused(text, kind):
    is_read_or_refused(text, kind)
