package main

import "strings"

// dashboard is one of Grafana's: rows of panels.
type dashboard struct {
	// id is the name of its file and the end of its address.
	id, title string
	rows      []row
}

type row struct {
	title  string
	panels []panel
}

// panel is a chart, or a number where it is a stat. All panels of a row are equally wide.
type panel struct {
	title string
	stat  bool
	// unit is one of Grafana's names.
	unit string
	// stacked adds the lines up.
	stacked bool
	queries []query
}

// query is what a panel shows; legend names its lines by their labels.
type query struct{ expr, legend string }

// Units by Grafana's names.
const (
	count     = "short"
	perSecond = "reqps"
	seconds   = "s"
	bytesUnit = "bytes"
	share     = "percentunit"
	dollars   = "currencyUSD"
)

const (
	gridWidth   = 24
	statHeight  = 4
	chartHeight = 8
)

// source is the Prometheus that the reader chooses.
var source = map[string]string{"type": "prometheus", "uid": "${datasource}"}

func (d dashboard) file() string { return d.id + ".json" }

// grafana is the dashboard in Grafana's model.
func (d dashboard) grafana() map[string]any {
	var panels []any
	id, y := 0, 0
	for _, each := range d.rows {
		id++
		panels = append(panels, map[string]any{
			"id": id, "type": "row", "title": each.title, "collapsed": false, "panels": []any{}, "gridPos": place(0, y, gridWidth, 1),
		})
		y++
		width, height := gridWidth/len(each.panels), statHeight
		for i, one := range each.panels {
			if !one.stat {
				height = chartHeight
			}
			id++
			panels = append(panels, one.grafana(id, place(i*width, y, width, one.height())))
		}
		y += height
	}
	return map[string]any{
		"uid": "carousel-" + d.id, "title": "Carousel: " + d.title, "tags": []string{"carousel"}, "schemaVersion": 39, "version": 1, "editable": true,
		"timezone": "browser", "refresh": "30s", "time": map[string]string{"from": "now-6h", "to": "now"},
		"templating": map[string]any{"list": []any{
			map[string]any{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
			map[string]any{
				"name": "upstream", "label": "Upstream", "type": "query", "datasource": source, "query": "label_values(carousel_tokenstore_pool_tokens, upstream)",
				"definition": "label_values(carousel_tokenstore_pool_tokens, upstream)", "includeAll": true, "multi": true, "allValue": ".*", "refresh": 2, "sort": 1,
				"current": map[string]any{"text": "All", "value": "$__all"},
			},
		}},
		"links": []any{map[string]any{
			"type": "dashboards", "tags": []string{"carousel"}, "title": "Carousel", "asDropdown": true, "includeVars": true, "keepTime": true,
		}},
		"annotations": map[string]any{"list": []any{}}, "panels": panels,
	}
}

func place(x, y, w, h int) map[string]int { return map[string]int{"x": x, "y": y, "w": w, "h": h} }

func (p panel) height() int {
	if p.stat {
		return statHeight
	}
	return chartHeight
}

func (p panel) grafana(id int, at map[string]int) map[string]any {
	targets := make([]any, len(p.queries))
	for i, each := range p.queries {
		targets[i] = map[string]any{
			"refId": string(rune('A' + i)), "datasource": source, "expr": each.expr, "legendFormat": each.legend, "instant": p.stat, "range": !p.stat,
		}
	}
	kind, style := "timeseries", map[string]any{"fillOpacity": 10, "showPoints": "never"}
	if p.stacked {
		style = map[string]any{"fillOpacity": 40, "showPoints": "never", "stacking": map[string]string{"mode": "normal"}}
	}
	options := map[string]any{
		"legend": map[string]any{"displayMode": "list", "placement": "bottom"}, "tooltip": map[string]string{"mode": "multi", "sort": "desc"},
	}
	if p.stat {
		kind, style, options = "stat", map[string]any{}, map[string]any{"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}}}
	}
	return map[string]any{
		"id": id, "type": kind, "title": p.title, "datasource": source, "gridPos": at, "targets": targets, "options": options,
		"fieldConfig": map[string]any{"defaults": map[string]any{"unit": p.unit, "min": 0, "custom": style}, "overrides": []any{}},
	}
}

// rate is the sum by labels of how fast counters go up, per second.
func rate(series, by string) string {
	return "sum" + byLabels(by) + " (rate(" + series + "[$__rate_interval]))"
}

// grown is how much all have gone up together in the time that is shown.
func grown(series string) string { return "sum (increase(" + series + "[$__range]))" }

// quantileOf is of a histogram, by labels.
func quantileOf(q, histogram, selector, by string) string {
	return "histogram_quantile(" + q + ", sum by (" + strings.TrimPrefix(by+", le", ", ") + ") (rate(" + histogram + "_bucket" + selector + "[$__rate_interval])))"
}

// mostBy is of gauges that each tokenstore tells of all.
func mostBy(series, by string) string { return "max" + byLabels(by) + " (" + series + ")" }

func byLabels(by string) string {
	if by == "" {
		return ""
	}
	return " by (" + by + ")"
}
