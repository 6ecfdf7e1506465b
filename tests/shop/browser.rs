//! A browser, driven through the pipe that Chromium has for its developer tools: messages in JSON, each ended by a zero byte.
//!
//! Chromium ends when the pipe does, so none outlives the tests.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use coord_tests::PATIENCE;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// The shell gives the browser its pipes where it wants them, as 3 and 4.
const START: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

const NO_BROWSER: &str = "a browser: set COORD_CHROMIUM to its program, or have `chromium` in PATH";

pub(crate) struct Browser {
    input: Mutex<ChildStdin>,
    next: AtomicU64,
    inbox: Arc<Mutex<Inbox>>,
}

#[derive(Default)]
struct Inbox {
    /// Who waits for the answer to which request.
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    /// What went wrong in each page.
    mistakes: HashMap<String, Vec<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One for all tests; each page has cookies and storage of its own.
pub(crate) fn browser() -> &'static Browser {
    static BROWSER: OnceLock<Browser> = OnceLock::new();
    BROWSER.get_or_init(Browser::start)
}

impl Browser {
    fn start() -> Self {
        let program = std::env::var("COORD_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
        let profile = coord_tests::new_folder();
        let mut child = Command::new("sh")
            .args(["-c", START, "sh", &program])
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--no-first-run",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-extensions",
                "--renderer-process-limit=2",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell that starts the browser");
        let input = child.stdin.take().expect("the browser's input");
        let output = child.stdout.take().expect("the browser's output");
        let inbox = Arc::<Mutex<Inbox>>::default();
        let read = Arc::clone(&inbox);
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("a message in JSON");
                locked(&read).take(message);
            }
            // Whoever waits is told that nothing comes any more.
            locked(&read).waiting.clear();
            let _ = child.wait();
        });
        Self {
            input: Mutex::new(input),
            next: AtomicU64::new(1),
            inbox,
        }
    }

    pub(crate) async fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Value {
        self.try_ask(session, method, parameters)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The answer, or the browser's error.
    pub(crate) async fn try_ask(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        locked(&self.inbox).waiting.insert(id, sender);
        let mut request = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            request["sessionId"] = session.into();
        }
        self.send(&request).expect(NO_BROWSER);
        // Longer than anything on a page is waited for.
        let answer = tokio::time::timeout(PATIENCE * 2, answer).await;
        let mut answer = answer
            .unwrap_or_else(|_| panic!("the browser did not answer {method} in time"))
            .expect(NO_BROWSER);
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["result"].take()),
        }
    }
}

impl Browser {
    /// Asks for something whose answer nobody waits for. A browser that is gone has nothing to do.
    pub(crate) fn tell(&self, method: &str, parameters: &Value) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let request = json!({ "id": id, "method": method, "params": parameters });
        let _ = self.send(&request);
    }

    /// What went wrong in a page.
    pub(crate) fn mistakes(&self, session: &str) -> Vec<String> {
        let inbox = locked(&self.inbox);
        inbox.mistakes.get(session).cloned().unwrap_or_default()
    }

    fn send(&self, request: &Value) -> io::Result<()> {
        let mut text = request.to_string();
        text.push('\0');
        locked(&self.input).write_all(text.as_bytes())
    }
}

impl Inbox {
    fn take(&mut self, message: Value) {
        if let Some(waiting) = message["id"]
            .as_u64()
            .and_then(|id| self.waiting.remove(&id))
        {
            let _ = waiting.send(message);
            return;
        }
        let parameters = &message["params"];
        let mistake = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(&parameters["exceptionDetails"]),
            // That requests fail when the process dies is no mistake of the page's.
            Some("Log.entryAdded") if parameters["entry"]["source"] != "network" => {
                Some(&parameters["entry"])
            }
            _ => None,
        };
        if let (Some(mistake), Some(session)) = (mistake, message["sessionId"].as_str()) {
            let of_page = self.mistakes.entry(session.to_owned()).or_default();
            of_page.push(mistake.to_string());
        }
    }
}
