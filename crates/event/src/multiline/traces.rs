//! Traces as programs write them, among ordinary lines.

use std::time::Instant;

use super::{Joiner, Language, Limits, Line, Rule};

const ALL: [Language; 5] =
    [Language::Java, Language::Python, Language::Go, Language::Ruby, Language::Node];

/// The lines of `text`, joined.
fn join(languages: &[Language], text: &str) -> Vec<String> {
    let mut joiner = Joiner::new(Rule::of_languages(languages), Limits::new(1 << 20));
    let (now, mut offset, mut records) = (Instant::now(), 0, Vec::new());
    for bytes in text.split('\n').map(str::as_bytes) {
        let line = Line { bytes, offset, channel: 0, time: None, is_cut: false };
        joiner.push(1, &line, now, |it| {
            records.push(String::from_utf8_lossy(it.bytes).into_owned());
        });
        offset += bytes.len() as u64 + 1;
    }
    joiner.flush_all(|it| records.push(String::from_utf8_lossy(it.bytes).into_owned()));
    records
}

/// Each of `records` is found again, by its language alone and with all the others on.
#[track_caller]
fn check(language: Language, records: &[&str]) {
    let text = records.join("\n");
    assert_eq!(join(&[language], &text), records, "{language:?}");
    assert_eq!(join(&ALL, &text), records, "all languages");
    let with_cr = text.replace('\n', "\r\n");
    let lines: Vec<_> = join(&[language], &with_cr).iter().map(|it| it.replace('\r', "")).collect();
    assert_eq!(lines, records, "{language:?} with CRLF");
}

#[test]
fn java() {
    check(
        Language::Java,
        &[
            "2024-05-01 10:00:00.123  INFO 1 --- [main] c.e.App : Started App in 2.1 seconds",
            "2024-05-01 10:00:01.000 ERROR 1 --- [exec-1] o.a.c.c.C.[dispatcherServlet] : failed",
            "java.lang.IllegalStateException: no route
\tat com.example.Router.find(Router.java:31) ~[classes!/:na]
\tat java.base/java.lang.Thread.run(Thread.java:840)
\tSuppressed: java.io.IOException: closed
\t\tat com.example.Pool.close(Pool.java:9)
\t\t... 3 more
Caused by: org.postgresql.util.PSQLException: ERROR: relation \"t\" does not exist
  Position: 15
\tat org.postgresql.core.v3.QueryExecutorImpl.receive(QueryExecutorImpl.java:2725)
\t... 12 common frames omitted
Caused by: java.net.ConnectException: Connection refused
\t... 40 more",
            "2024-05-01 10:00:02.000  INFO 1 --- [main] c.e.App : next",
            "Exception in thread \"main\" java.lang.StackOverflowError
\tat Main.f(Main.java:4)
\tat Main.f(Main.java:4)",
            "java.lang.NullPointerException
    at com.example.A.b(A.java:1)",
            "com.example.OutOfStock: 7 left
\tat com.example.Shop.buy(Shop.kt:12)
\tat com.example.Shop$buy$1.invokeSuspend(Unknown Source)",
            "kotlinx.coroutines.JobCancellationException: Parent job is Cancelling; job=Job@5
Caused by: java.lang.RuntimeException: x
\tat A.main(A.kt:3)
\t[CIRCULAR REFERENCE: java.lang.RuntimeException: x]",
            "at last, an ordinary line",
            "  indented, and no frame",
            "May 01, 2024 10:00:00 AM com.example.Main main",
            "SEVERE: java.sql.SQLException: closed
\tat com.example.Main.main(Main.java:5)",
        ],
    );
}

#[test]
fn python() {
    check(
        Language::Python,
        &[
            "INFO:root:starting",
            "ERROR:root:request failed",
            "Traceback (most recent call last):
  File \"/app/app.py\", line 3, in load
    return data['x']
           ~~~~^^^^^
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/app/app.py\", line 9, in <module>
    main()
  [Previous line repeated 990 more times]
  File \"/app/app.py\", line 5, in main
    raise ValueError(\"bad\") from error
ValueError: bad

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"/app/run.py\", line 1, in <module>
django.db.utils.OperationalError: could not connect to server: Connection refused
\tIs the server running on host \"db\"?",
            "INFO:root:next",
            "Traceback (most recent call last):
  File \"<stdin>\", line 1, in <module>
KeyboardInterrupt",
            "Traceback (most recent call last):
  File \"/app/x.py\", line 1
    def f(:
          ^
SyntaxError: invalid syntax",
            "Exception ignored in: <function Pool.__del__ at 0x7f>",
            "Traceback (most recent call last):
  File \"/usr/lib/python3.11/multiprocessing/pool.py\", line 271, in __del__
ResourceWarning: unclosed running multiprocessing pool",
            "  + Exception Group Traceback (most recent call last):
  |   File \"/app/g.py\", line 4, in <module>
  |     raise ExceptionGroup(\"two\", [ValueError(1), TypeError(2)])
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +---------------- 2 ----------------
    | TypeError: 2
    +------------------------------------",
            "2024-05-01 an ordinary line: with a colon",
            "KeyError: alone",
        ],
    );
}

#[test]
fn go() {
    check(
        Language::Go,
        &[
            "2024/05/01 10:00:00 listening on :8080",
            "panic: runtime error: index out of range [5] with length 3 [recovered]
\tpanic: again

goroutine 1 [running]:
main.(*Server).handle(0xc000010000, {0x4b1f2e, 0x5}, 0x1)
\t/app/server.go:42 +0x1d
panic({0x48f3c0?, 0xc00001e0a8?})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
main.main()
\t/app/main.go:8 +0x25
created by net/http.(*Server).Serve in goroutine 7
\t/usr/local/go/src/net/http/server.go:3285 +0x4b4

goroutine 18 [chan receive, 5 minutes]:
main.worker(...)
\t/app/main.go:20
created by main.main
\t/app/main.go:6 +0x1
exit status 2",
            "2024/05/01 10:00:01 next",
            "2024/05/01 10:00:02 http: panic serving 10.0.0.7:51324: boom
goroutine 34 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1898 +0xbe",
            "fatal error: all goroutines are asleep - deadlock!

goroutine 1 [semacquire]:
sync.runtime_Semacquire(0xc0000b4008?)
\t/usr/local/go/src/runtime/sema.go:62 +0x25",
            "panic: open /etc/app: no such file
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x49]",
            "SIGQUIT: quit
PC=0x46f041 m=0 sigcode=0

goroutine 0 [idle]:
runtime.futex(0x55f1c8)
\t/usr/local/go/src/runtime/sys_linux_amd64.s:557 +0x21 fp=0x7ffc sp=0x7ffc pc=0x46f041
...additional frames elided...

rax    0xca
rip    0x46f041",
            "2024/05/01 10:00:03 done (0x1)",
            "goroutine leak suspected",
            "main.main()",
            "exit status 1",
        ],
    );
}

#[test]
fn ruby() {
    check(
        Language::Ruby,
        &[
            "I, [2024-05-01T10:00:00.1 #1]  INFO -- : Started GET \"/\" for 10.0.0.1",
            "/app/app.rb:3:in `load': no such file (Errno::ENOENT)
\tfrom /app/app.rb:9:in `block in run'
\tfrom /app/app.rb:12:in `<main>'",
            "I, [2024-05-01T10:00:01.2 #1]  INFO -- : next",
            "app.rb:7:in 'Integer#/': divided by 0 (ZeroDivisionError)

  1 / zero
    ^
\tfrom app.rb:7:in 'Object#share'
\tfrom app.rb:10:in '<main>'
app.rb:2:in 'Object#read': cause (IOError)
\tfrom app.rb:7:in 'Object#share'",
            "NoMethodError (undefined method `name' for nil:NilClass):
  
app/models/user.rb:7:in `label'
app/controllers/users_controller.rb:12:in `show'",
            "E, [2024-05-01T10:00:02.3 #1] ERROR -- : boom (RuntimeError)
/app/worker.rb:4:in `perform'
/usr/lib/ruby/gems/3.1.0/gems/sidekiq-7.0/lib/sidekiq/processor.rb:202:in `execute_job'",
            "Completed 500 Internal Server Error in 3ms",
            "from the beginning",
        ],
    );
}

#[test]
fn ruby_with_the_order_turned_round() {
    // Ruby 2.5 to 2.7 on a terminal. The first line is Python's as well.
    let records = ["\t2: from t.rb:9:in `<main>'
\t1: from t.rb:6:in `b'
t.rb:2:in `a': no (RuntimeError)"];
    assert_eq!(join(&[Language::Ruby], &records.join("\n")), records);
}

#[test]
fn node() {
    check(
        Language::Node,
        &[
            "Server listening at http://localhost:3000",
            "/app/server.js:3
    throw new Error('no');
    ^

Error: no
    at Object.<anonymous> (/app/server.js:3:11)
    at node:internal/main/run_main_module:28:49 {
  code: 'E_NO',
  [cause]: RangeError: inner
      at inner (/app/server.js:1:7)
}

Node.js v22.1.0",
            "{\"level\":30,\"time\":1714550400000,\"msg\":\"next\"}",
            "TypeError [ERR_INVALID_ARG_TYPE]: The \"path\" argument must be of type string
    at validateString (node:internal/validators:162:11)
    at async Promise.all (index 0)",
            "(node:1) UnhandledPromiseRejectionWarning: Error: lost
    at run (/app/a.ts:1:2)",
            "node:internal/modules/cjs/loader:1147
  throw err;
  ^

Error: Cannot find module './x'
Require stack:
- /app/server.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1144:15)",
            "http://localhost:3000",
            "GET /app.js:3 200",
        ],
    );
}

#[test]
fn the_rest_of_a_trace_that_a_limit_has_cut_stays_together() {
    for (language, rest) in [
        (Language::Java, "\tat a.B.c(B.java:1)\n\t... 2 more\nCaused by: x\n\tat a.B.d(B.java:2)"),
        (Language::Python, "  File \"a.py\", line 3, in b\n    c()\nKeyError: 1"),
        (Language::Go, "\t/app/main.go:8 +0x1d\nmain.b()\n\t/app/main.go:9 +0x1d"),
        (Language::Ruby, "\tfrom a.rb:1:in `b'\n\tfrom a.rb:2:in `c'"),
        (Language::Node, "    at a (/b.js:1:2)\n    at c (/d.js:1:2)"),
    ] {
        assert_eq!(join(&[language], rest), [rest]);
        assert_eq!(join(&[language], &format!("{rest}\nordinary")), [rest, "ordinary"]);
    }
}
