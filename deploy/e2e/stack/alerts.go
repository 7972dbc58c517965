package stack

import (
	"encoding/json"
	"net/http"
)

// ToldAlert is an alert as webhooks are told it.
type ToldAlert struct {
	// Status is firing or resolved.
	Status string
	Labels map[string]string
}

// Of is its name and its upstream, which some have not.
func (a ToldAlert) Of() string { return a.Labels["alertname"] + " " + a.Labels["upstream"] }

// ReadAlerts reads what Alertmanager posts to webhooks, and the notifier likewise; nil where it is
// something else.
func ReadAlerts(r *http.Request) []ToldAlert {
	var said struct{ Alerts []ToldAlert }
	if json.NewDecoder(r.Body).Decode(&said) != nil {
		return nil
	}
	return said.Alerts
}
