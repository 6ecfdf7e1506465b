//! The dashboard as Grafana reads it.

use serde_json::{Value, json};

use crate::panels::{Panel, Row};

const WIDTH: usize = 24;
const HEIGHT: usize = 8;
/// How many panels stand side by side.
const SIDE_BY_SIDE: usize = 4;

/// The file's text.
pub(crate) fn text(rows: &[Row]) -> String {
    let dashboard = json!({
        "title": "coord",
        "uid": "coord",
        "description": "Locks, idempotent calls, sagas, and the store under them. Made by `COORD_GOLDEN=write cargo test -p coord-tests --test observability`.",
        "schemaVersion": 39,
        "tags": ["coord"],
        "timezone": "browser",
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [source(), templates()] },
        "panels": panels(rows),
    });
    // Its keys are sorted, so that the same dashboard is the same text.
    serde_json::to_string_pretty(&dashboard).unwrap() + "\n"
}

fn source() -> Value {
    json!({ "name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus" })
}

/// The choice of templates: of everything that has one.
fn templates() -> Value {
    json!({
        "name": "template",
        "label": "Template",
        "type": "query",
        "datasource": { "type": "prometheus", "uid": "${source}" },
        "query": "label_values({__name__=~\"coord_.+\"}, template)",
        "refresh": 2,
        "includeAll": true,
        "allValue": ".*",
        "multi": true,
        "current": { "text": "All", "value": "$__all" },
    })
}

fn panels(rows: &[Row]) -> Vec<Value> {
    let mut panels = Vec::new();
    let mut line = 0;
    for row in rows {
        panels.push(json!({
            "id": panels.len() + 1,
            "type": "row",
            "title": row.title,
            "collapsed": false,
            "gridPos": { "x": 0, "y": line, "w": WIDTH, "h": 1 },
            "panels": [],
        }));
        line += 1;
        for side_by_side in row.panels.chunks(SIDE_BY_SIDE) {
            let width = WIDTH / side_by_side.len();
            for (at, panel) in side_by_side.iter().enumerate() {
                let place = json!({ "x": at * width, "y": line, "w": width, "h": HEIGHT });
                panels.push(drawn(panel, panels.len() + 1, &place));
            }
            line += HEIGHT;
        }
    }
    panels
}

fn drawn(panel: &Panel, id: usize, place: &Value) -> Value {
    let source = json!({ "type": "prometheus", "uid": "${source}" });
    let targets = panel.queries.iter().zip('A'..).map(|(query, letter)| {
        json!({
            "refId": letter.to_string(),
            "datasource": source,
            "expr": query.expression,
            "legendFormat": query.legend,
        })
    });
    json!({
        "id": id,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": { "defaults": { "unit": panel.unit.name(), "min": 0 }, "overrides": [] },
        "options": { "legend": { "displayMode": "list", "placement": "bottom" }, "tooltip": { "mode": "multi" } },
        "targets": targets.collect::<Vec<_>>(),
    })
}
