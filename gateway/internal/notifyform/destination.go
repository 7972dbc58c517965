package notifyform

import (
	"carousel.internal/gateway/internal/nullable"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Destination is where people are told, without what is secret of it.
type Destination struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Disabled bool   `json:"disabled"`
	Severity string `json:"severity"`
	// Alerts are all where there is none.
	Alerts     []string `json:"alerts"`
	Language   string   `json:"language"`
	Recoveries bool     `json:"recoveries"`
	MaskedURL  *string  `json:"masked_url"`
	HasSecret  bool     `json:"has_secret"`
	Chat       *string  `json:"chat"`
	Mail       *Mail    `json:"mail"`
	Version    uint64   `json:"version"`
}

// Mail is how mail goes out, and to whom.
type Mail struct {
	Server   string   `json:"server"`
	Security string   `json:"security"`
	Username string   `json:"username"`
	From     string   `json:"from"`
	To       []string `json:"to"`
}

// DestinationOf shows a destination.
func DestinationOf(d *tokenstorev1.Destination) Destination {
	shown := Destination{
		ID: d.GetId(), Name: d.GetName(), Kind: d.GetKind(), Disabled: d.GetDisabled(), Severity: d.GetSeverity(), Alerts: nullable.List(d.GetAlerts()),
		Language: d.GetLanguage(), Recoveries: !d.GetWithoutRecoveries(), MaskedURL: nullable.Text(d.GetMaskedUrl()), HasSecret: d.GetHasSecret(),
		Chat: nullable.Text(d.GetChat()), Version: d.GetVersion(),
	}
	if way := d.GetMail(); way != nil {
		shown.Mail = &Mail{way.GetServer(), way.GetSecurity(), way.GetUsername(), way.GetFrom(), nullable.List(way.GetTo())}
	}
	return shown
}

// What a destination can be.
var (
	// Kinds begin with the most general.
	Kinds      = []string{"webhook", "slack", "feishu", "wecom", "dingtalk", "telegram", "mail"}
	Severities = []string{"info", "warning", "critical"}
	Languages  = []string{"en", "zh"}
	// Securities are how a mail server can be spoken to.
	Securities = []string{"starttls", "tls", "none"}
)
