package notify

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Kinds of destinations.
const (
	Webhook  = "webhook"
	Slack    = "slack"
	Feishu   = "feishu"
	WeCom    = "wecom"
	DingTalk = "dingtalk"
	Telegram = "telegram"
	Mail     = "mail"
)

// Kinds are all.
func Kinds() []string { return []string{Webhook, Slack, Feishu, WeCom, DingTalk, Telegram, Mail} }

// Languages in which alerts are told.
const (
	English = "en"
	Chinese = "zh"
)

// How mail goes out.
const (
	StartTLS = "starttls"
	TLS      = "tls"
	NoTLS    = "none"
)

// MaxDestinations bounds those that there are.
const MaxDestinations = 20

// Bounds of a destination, in bytes but for the last.
const (
	maxName       = 100
	maxURL        = 2 << 10
	maxSecret     = 2 << 10
	maxText       = 320
	maxRecipients = 20
)

// telegramAPI is where Telegram's bots are, unless a destination says otherwise.
const telegramAPI = "https://api.telegram.org"

// Destination is where people are told.
type Destination struct {
	*tokenstorev1.Destination
	// URL and Secret are never shown.
	URL, Secret secret.Value
}

// Complete fills in what is meant where nothing is said, and what may be shown of the secrets.
func (d Destination) Complete() {
	set := func(field *string, meant string) {
		if *field == "" {
			*field = meant
		}
	}
	set(&d.Kind, Webhook)
	set(&d.Severity, string(Info))
	set(&d.Language, English)
	if d.Kind == Mail && d.Mail != nil {
		set(&d.Mail.Security, StartTLS)
	}
	d.MaskedUrl, d.HasSecret = masked(d.Address()), !d.Secret.Empty()
}

// Address is the URL that is asked; empty for mail.
func (d Destination) Address() string {
	if d.GetKind() == Telegram && d.URL.Empty() {
		return telegramAPI
	}
	return d.URL.Reveal()
}

// masked is what may be shown of a URL: its scheme and host. All else may be secret.
func masked(text string) string {
	parsed, err := url.Parse(text)
	if text == "" || err != nil || parsed.Host == "" {
		return ""
	}
	return parsed.Scheme + "://" + parsed.Host + "/…"
}

// takes tells whether the destination is to hear of such an alert.
func (d Destination) takes(a Alert) bool {
	return a.Severity().reaches(Severity(d.GetSeverity())) && (len(d.GetAlerts()) == 0 || slices.Contains(d.GetAlerts(), a.Name))
}

// Check returns everything that is wrong with it, each problem beginning with the member that has
// it, as the admin API names it.
func (d Destination) Check() error {
	problems := []error{
		oneOf("kind", d.GetKind(), Kinds()), oneOf("language", d.GetLanguage(), []string{English, Chinese}),
		oneOf("severity", d.GetSeverity(), []string{string(Info), string(Warning), string(Critical)}),
	}
	if d.GetName() == "" || len(d.GetName()) > maxName {
		problems = append(problems, fmt.Errorf("name: 1 to %d bytes wanted", maxName))
	}
	for _, name := range d.GetAlerts() {
		if !slices.Contains(Names(), name) {
			problems = append(problems, unknownAlert("alerts", name))
		}
	}
	if len(d.GetAlerts()) > len(rules) {
		problems = append(problems, errors.New("alerts: one is there twice"))
	}
	if len(d.Secret.Reveal()) > maxSecret || strings.ContainsAny(d.Secret.Reveal(), "\r\n\x00") {
		problems = append(problems, fmt.Errorf("secret: at most %d bytes, on one line", maxSecret))
	}
	return errors.Join(append(problems, d.checkWay()...)...)
}

// checkWay is of what only some kinds have.
func (d Destination) checkWay() []error {
	switch d.GetKind() {
	case Mail:
		return d.checkMail()
	case Telegram:
		problems := []error{checkURL(d.Address())}
		if d.Secret.Empty() {
			problems = append(problems, errors.New("secret: the bot's token is missing"))
		}
		if d.GetChat() == "" || len(d.GetChat()) > maxText {
			problems = append(problems, errors.New("chat: the id of a chat wanted, or @ and the name of a channel"))
		}
		return problems
	default:
		return []error{checkURL(d.Address())}
	}
}

func checkURL(text string) error {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Host == "" || len(text) > maxURL {
		return errors.New("url: an http or https URL wanted") // never what was said, which may be secret
	}
	return nil
}

func (d Destination) checkMail() []error {
	way := d.GetMail()
	if way == nil {
		return []error{errors.New("mail: server, from and to are missing")}
	}
	problems := []error{oneOf("mail.security", way.GetSecurity(), []string{StartTLS, TLS, NoTLS})}
	host, port, err := net.SplitHostPort(way.GetServer())
	if number, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || number == 0 || host == "" || len(host) > maxText {
		problems = append(problems, errors.New("mail.server: host:port wanted, such as mail.example.com:587"))
	}
	if len(way.GetUsername()) > maxText || strings.ContainsAny(way.GetUsername(), "\r\n\x00") {
		problems = append(problems, fmt.Errorf("mail.username: at most %d bytes, on one line", maxText))
	}
	if way.GetSecurity() == NoTLS && way.GetUsername() != "" {
		problems = append(problems, errors.New("mail.security: without TLS the password would be readable on its way; take starttls or tls, or no username"))
	}
	if !isAddress(way.GetFrom()) {
		problems = append(problems, errors.New("mail.from: an address wanted, such as carousel@example.com"))
	}
	if n := len(way.GetTo()); n < 1 || n > maxRecipients {
		problems = append(problems, fmt.Errorf("mail.to: 1 to %d addresses wanted", maxRecipients))
	}
	for _, each := range way.GetTo() {
		if !isAddress(each) {
			problems = append(problems, fmt.Errorf("mail.to: %q is no address", each))
		}
	}
	return problems
}

func isAddress(text string) bool {
	_, err := mail.ParseAddress(text)
	return err == nil && len(text) <= maxText
}

func oneOf(member, value string, all []string) error {
	if slices.Contains(all, value) {
		return nil
	}
	return fmt.Errorf("%s: one of %s wanted, not %q", member, strings.Join(all, ", "), value)
}
