"""Who may publish: a node with a key, where anybody may subscribe."""

from support.raw import TEXT, Link, frame, post_request

KEY = "a-key-of-the-abuse-tests"
FLAGS = ("--publish-key", KEY, "--anonymous", "subscribe")
TOPIC = "/topics/guarded"


def status_of(port, data):
    """Status of the answer to one request."""
    with Link(port) as link:
        link.send(data)
        return link.response()[0]


def run(guard):
    """For a node with FLAGS."""
    report, port = guard.report, guard.node.port
    bearer = f"Authorization: Bearer {KEY}\r\n"
    wrong = "Authorization: Bearer wrong\r\n"
    report.check("a POST without the key is refused",
                 status_of(port, post_request(TOPIC, b"x")) in (401, 403))
    report.check("a POST with another key is refused",
                 status_of(port, post_request(TOPIC, b"x", extra=wrong)) in (401, 403))
    report.equal("a POST with the key is taken",
                 status_of(port, post_request(TOPIC, b"x", extra=bearer)), 200)
    with Link(port) as link:
        report.equal("anybody may subscribe", link.upgrade(TOPIC), 101)
        link.send(frame(TEXT, b"not allowed"))
        report.equal("who publishes without leave is closed with 1008", link.close_frame()[0], 1008)
    report.check("the key is not in the log", KEY not in guard.node.log_text(1 << 20))
    guard.after("refused publishers")
