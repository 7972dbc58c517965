package movein

import (
	"carousel.internal/gateway/internal/foreign"
	"carousel.internal/gateway/internal/routing"
)

// Report says what becomes of each thing of some files, or what has.
type Report struct {
	// Applied tells whether it has been carried out.
	Applied bool         `json:"applied"`
	Files   []ReportFile `json:"files"`
	Counts  Counts       `json:"counts"`
	Items   []ReportItem `json:"items"`
}

// ReportFile is a file, and the format that it was read as.
type ReportFile struct {
	Name   string `json:"name"`
	Format string `json:"format"`
}

// Counts are how many things have which outcome.
type Counts struct {
	Taken   int `json:"taken"`
	Changed int `json:"changed"`
	Same    int `json:"same"`
	Left    int `json:"left"`
}

// ReportItem is one thing. It has no secrets.
type ReportItem struct {
	File string `json:"file"`
	// At says where in the file it stands; empty where it is all of it.
	At string `json:"at"`
	// Kind is upstream, token, route, key or setting.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// To is a token's upstream, or where a route leads; empty for all others.
	To string `json:"to"`
	// Token is a token's secret, masked.
	Token string `json:"token"`
	// Outcome is taken, changed, same or left.
	Outcome string `json:"outcome"`
	// Reason says what is changed, or why it is left.
	Reason string `json:"reason"`
}

func reportOf(plan foreign.Plan, applied bool) Report {
	report := Report{Applied: applied, Files: make([]ReportFile, 0, len(plan.Files)), Items: make([]ReportItem, 0, len(plan.Items))}
	for _, file := range plan.Files {
		report.Files = append(report.Files, ReportFile(file))
	}
	for _, item := range plan.Items {
		said := ReportItem{File: item.File, At: item.At, Kind: item.Kind, Name: item.Name, Outcome: string(item.Verdict), Reason: item.Note}
		if t := item.Token; t != nil {
			said.To, said.Token = t.Upstream.Name, t.Secret.Masked()
		}
		if item.Route != nil {
			said.To = routing.Summary(routeOf(item.Route))
		}
		report.Items = append(report.Items, said)
		switch item.Verdict {
		case foreign.Taken:
			report.Counts.Taken++
		case foreign.Changed:
			report.Counts.Changed++
		case foreign.Same:
			report.Counts.Same++
		case foreign.Left:
			report.Counts.Left++
		}
	}
	return report
}

// Summary is a report in pairs of a name and a value, as the audit log has them.
func (r Report) Summary() []any {
	var summary []any
	for _, each := range r.Files {
		summary = append(summary, "format", each.Format)
		break
	}
	return append(summary, "files", len(r.Files), "taken", r.Counts.Taken, "changed", r.Counts.Changed, "same", r.Counts.Same, "left", r.Counts.Left)
}
