package courier

import (
	"maps"
	"time"

	"carousel.internal/tokenstore/internal/notify"
)

// webhookBody has the shape in which Prometheus' Alertmanager (version 4) tells webhooks, so that
// whatever understands that understands this.
type webhookBody struct {
	Version  string `json:"version"`
	GroupKey string `json:"groupKey"`
	// Status is firing where any alert does, else resolved; test where there is none.
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []webhookAlert    `json:"alerts"`
}

type webhookAlert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	// EndsAt is the year 1 while the alert fires.
	EndsAt       time.Time `json:"endsAt"`
	GeneratorURL string    `json:"generatorURL"`
	Fingerprint  string    `json:"fingerprint"`
}

// webhookForm is the form for programs. The secret is a bearer token.
func webhookForm(to notify.Destination, delivery notify.Delivery, _ time.Time) letter {
	status := "test"
	switch {
	case len(delivery.Firing) > 0:
		status = "firing"
	case len(delivery.Resolved) > 0:
		status = "resolved"
	}
	body := webhookBody{
		Version: "4", GroupKey: delivery.ID, Status: status, Receiver: to.GetName(),
		GroupLabels: map[string]string{}, CommonLabels: map[string]string{}, CommonAnnotations: map[string]string{}, Alerts: []webhookAlert{},
	}
	for _, each := range delivery.Firing {
		body.Alerts = append(body.Alerts, webhookAlertOf("firing", each, to.GetLanguage()))
	}
	for _, each := range delivery.Resolved {
		body.Alerts = append(body.Alerts, webhookAlertOf("resolved", each, to.GetLanguage()))
	}
	sent := letter{url: to.Address(), body: body}
	if !to.Secret.Empty() {
		sent.header = map[string]string{"Authorization": "Bearer " + to.Secret.Reveal()}
	}
	return sent
}

func webhookAlertOf(status string, told notify.Told, language string) webhookAlert {
	labels := map[string]string{"alertname": told.Name, "severity": string(told.Severity())}
	maps.Copy(labels, told.Labels)
	summary, description := notify.Words(told.Alert, language)
	return webhookAlert{
		Status: status, Labels: labels, Annotations: map[string]string{"summary": summary, "description": description},
		StartsAt: told.Since.UTC(), EndsAt: told.Resolved.UTC(), Fingerprint: told.Fingerprint(),
	}
}
