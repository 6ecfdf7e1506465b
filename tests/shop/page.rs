//! A page in a tab of its own, and what a user does with it.

use std::path::PathBuf;

use coord_tests::PATIENCE;
use serde_json::{Value, json};

use crate::browser::browser;

/// A page in a tab of its own, which is closed when this is dropped.
pub(crate) struct Page {
    session: String,
    context: Value,
}

impl Drop for Page {
    fn drop(&mut self) {
        let close = json!({ "browserContextId": self.context });
        browser().tell("Target.disposeBrowserContext", &close);
    }
}

/// What to evaluate until it is true: at once, and whenever anything on the page has changed.
const UNTIL: &str = "new Promise((done) => {
    const look = () => {
        const found = CONDITION;
        if (!found) return;
        observer.disconnect();
        done(found);
    };
    const observer = new MutationObserver(look);
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    look();
})";

impl Page {
    pub(crate) async fn open(url: &str) -> Self {
        let browser = browser();
        let context = browser
            .ask(None, "Target.createBrowserContext", json!({}))
            .await;
        let tab = json!({
            "url": "about:blank",
            "browserContextId": context["browserContextId"],
            "width": 1280,
            "height": 900,
        });
        let target = browser.ask(None, "Target.createTarget", tab).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask(None, "Target.attachToTarget", attach).await;
        let session = attached["sessionId"].as_str().expect("a session");
        let page = Self {
            session: session.to_owned(),
            context: context["browserContextId"].clone(),
        };
        for domain in ["Page", "Runtime", "Log"] {
            page.ask(&format!("{domain}.enable"), json!({})).await;
        }
        // What turns keeps a processor busy, in every tab.
        page.prefer("light").await;
        page.ask("Page.navigate", json!({ "url": url })).await;
        page.until("document.readyState === 'complete' && location.protocol === 'http:'")
            .await;
        page
    }

    /// The value of an expression, awaited if it is a promise.
    pub(crate) async fn evaluate(&self, expression: &str) -> Value {
        self.try_evaluate(expression)
            .await
            .unwrap_or_else(|problem| panic!("{expression}: {problem}"))
    }

    async fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        let evaluate = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let session = Some(&*self.session);
        let evaluated = browser().try_ask(session, "Runtime.evaluate", evaluate);
        let mut result = evaluated.await?;
        match result.get("exceptionDetails") {
            Some(exception) => Err(exception.to_string()),
            None => Ok(result["result"]["value"].take()),
        }
    }

    /// Waits until an expression is true, and gives its value.
    ///
    /// # Panics
    ///
    /// When that takes longer than [`PATIENCE`], with what the page shows instead.
    pub(crate) async fn until(&self, condition: &str) -> Value {
        let script = UNTIL.replace("CONDITION", condition);
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                // While a new document is loaded, there is nothing to evaluate in.
                if let Ok(value) = self.try_evaluate(&script).await {
                    return value;
                }
                tokio::task::yield_now().await;
            }
        });
        if let Ok(value) = waited.await {
            return value;
        }
        let shown = self.text("body").await;
        panic!("waited for {condition}; the page shows:\n{shown}");
    }

    /// Waits until an element that a selector finds has `part` in its text, and gives the text.
    pub(crate) async fn until_text(&self, selector: &str, part: &str) -> String {
        let (selector, part) = (quoted(selector), quoted(part));
        let text = format!("(document.querySelector({selector})?.textContent ?? '')");
        let value = self
            .until(&format!("{text}.includes({part}) && {text}"))
            .await;
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a selector finds something.
    pub(crate) async fn until_there(&self, selector: &str) {
        let selector = quoted(selector);
        self.until(&format!("document.querySelector({selector}) !== null"))
            .await;
    }

    /// What an element shows.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let selector = quoted(selector);
        let text = self
            .evaluate(&format!(
                "document.querySelector({selector})?.innerText ?? ''"
            ))
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks in the middle of an element, as a mouse does.
    pub(crate) async fn click(&self, selector: &str) {
        let selector = quoted(selector);
        let middle = self
            .evaluate(&format!(
                "(() => {{
                    const element = document.querySelector({selector});
                    element.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                    const {{ x, y, width, height }} = element.getBoundingClientRect();
                    return {{ x: x + width / 2, y: y + height / 2 }};
                }})()"
            ))
            .await;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind,
                "x": middle["x"],
                "y": middle["y"],
                "button": "left",
                "clickCount": 1,
            });
            self.ask("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Replaces what stands in a field.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let selector = quoted(selector);
        self.evaluate(&format!(
            "(() => {{ const field = document.querySelector({selector}); field.focus(); field.select(); }})()"
        ))
        .await;
        if text.is_empty() {
            self.press("Delete", 46).await;
        } else {
            self.ask("Input.insertText", json!({ "text": text })).await;
        }
    }

    /// Chooses an option.
    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        let (selector, value) = (quoted(selector), quoted(value));
        self.evaluate(&format!(
            "document.querySelector({selector}).value = {value}"
        ))
        .await;
    }

    /// Presses a key.
    pub(crate) async fn press(&self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if key == "Enter" && kind == "keyDown" {
                event["text"] = "\r".into();
            }
            self.ask("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Shows the page in a window of this width, `light` or `dark`.
    pub(crate) async fn show(&self, width: u32, scheme: &str) {
        let metrics = json!({
            "width": width,
            "height": 900,
            "deviceScaleFactor": 1,
            "mobile": width < 600,
        });
        self.ask("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        self.prefer(scheme).await;
    }

    /// As one who likes this colour scheme, and nothing that moves.
    async fn prefer(&self, scheme: &str) {
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.ask("Emulation.setEmulatedMedia", media).await;
    }

    /// Leaves a picture of the whole page in the folder that `COORD_SCREENSHOTS` names, if it does.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("COORD_SCREENSHOTS").map(PathBuf::from) else {
            return;
        };
        let capture = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.ask("Page.captureScreenshot", capture).await;
        let picture = from_base64(picture["data"].as_str().unwrap_or_default());
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("a folder for pictures");
    }

    /// Fails if the page has thrown, or wanted something that its policy forbids.
    pub(crate) fn assert_no_mistakes(&self) {
        let mistakes = browser().mistakes(&self.session);
        assert_eq!(mistakes, Vec::<String>::new(), "mistakes on the page");
    }

    async fn ask(&self, method: &str, parameters: Value) -> Value {
        browser().ask(Some(&self.session), method, parameters).await
    }
}

/// A text as JavaScript writes it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn from_base64(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        let Some(digit) = digits.iter().position(|digit| *digit == byte) else {
            continue;
        };
        bits = bits << 6 | u32::try_from(digit).expect("less than 64");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("a byte"));
        }
    }
    bytes
}
