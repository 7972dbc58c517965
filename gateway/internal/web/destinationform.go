package web

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/notifyform"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var destinationPage = view{"destination", "notifications", (*Site).loadDestination}

// destinationForm is a destination as it is edited. What is secret is never in it: a field that is
// left empty leaves what is stored.
type destinationForm struct {
	*tokenstorev1.Destination
	// AlertNames are those that can be chosen.
	AlertNames []string
}

// New: it is not stored yet.
func (f destinationForm) New() bool { return f.GetId() == "" }

// HasURL, HasKey and IsMail tell which fields the kind has.
func (f destinationForm) HasURL() bool { return f.GetKind() != "mail" }

// HasKey tells whether the kind has a secret beside its URL.
func (f destinationForm) HasKey() bool {
	return slices.Contains([]string{"webhook", "feishu", "dingtalk", "telegram", "mail"}, f.GetKind())
}

// NeedsURL tells whether one has to be said.
func (f destinationForm) NeedsURL() bool { return f.New() && f.GetKind() != "telegram" }

// Takes tells whether an alert is chosen.
func (f destinationForm) Takes(alert string) bool { return slices.Contains(f.GetAlerts(), alert) }

// Severities, Languages and Securities are what can be chosen.
func (destinationForm) Severities() []string { return notifyform.Severities }

// Languages are those in which alerts are told.
func (destinationForm) Languages() []string { return notifyform.Languages }

// Securities are how a mail server can be spoken to.
func (destinationForm) Securities() []string { return notifyform.Securities }

// To are the addresses of mail, a line each.
func (f destinationForm) To() string { return strings.Join(f.GetMail().GetTo(), "\n") }

// GET /admin/notifications/edit: `id`, or the `kind` of a new one.
func (s *Site) loadDestination(ctx context.Context, c *gin.Context) (any, error) {
	now, err := s.Notifications.GetNotifications(ctx, &tokenstorev1.GetNotificationsRequest{})
	if err != nil {
		return nil, err
	}
	form := destinationForm{&tokenstorev1.Destination{Kind: c.Query("kind"), Severity: "warning", Language: string(languageOf(c.Request))}, now.GetAlertNames()}
	if !slices.Contains(notifyform.Kinds, form.GetKind()) {
		form.Kind = notifyform.Kinds[0]
	}
	id := c.Query("id")
	if id == "" {
		return form, nil
	}
	at := slices.IndexFunc(now.GetDestinations(), func(each *tokenstorev1.Destination) bool { return each.GetId() == id })
	if at < 0 {
		return nil, notFound(s.texts(c.Request)["problem.no_destination"], id)
	}
	form.Destination = now.GetDestinations()[at]
	return form, nil
}

// destinationFrom is the form as it was sent, and what it says of the secrets: nil where that is
// nothing.
func destinationFrom(c *gin.Context) (said *tokenstorev1.Destination, address, secret *string) {
	said = &tokenstorev1.Destination{
		Id: c.PostForm("id"), Name: strings.TrimSpace(c.PostForm("name")), Kind: c.PostForm("kind"), Disabled: c.PostForm("disabled") != "",
		Severity: c.PostForm("severity"), Alerts: c.PostFormArray("alerts"), Language: c.PostForm("language"),
		WithoutRecoveries: c.PostForm("recoveries") == "", Chat: strings.TrimSpace(c.PostForm("chat")),
	}
	said.Version, _ = strconv.ParseUint(c.PostForm("version"), 10, 64) // ours; without one nothing is checked
	if said.GetKind() == "mail" {
		said.Mail = &tokenstorev1.MailRoute{
			Server: strings.TrimSpace(c.PostForm("server")), Security: c.PostForm("security"), Username: strings.TrimSpace(c.PostForm("username")),
			From: strings.TrimSpace(c.PostForm("from")), To: strings.Fields(strings.ReplaceAll(c.PostForm("to"), ",", " ")),
		}
	}
	given := func(name string) *string {
		if text := strings.TrimSpace(c.PostForm(name)); text != "" {
			return &text
		}
		return nil
	}
	return said, given("url"), given("secret")
}

// POST /admin/notifications/edit: the form, and `csrf`.
func (s *Site) saveDestination(c *gin.Context) {
	session, ok := s.permittedForm(c, maxEditForm)
	if !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	said, address, secret := destinationFrom(c)
	put, err := s.Notifications.PutDestination(ctx, &tokenstorev1.PutDestinationRequest{Destination: said, Url: address, Secret: secret, ExpectedVersion: said.GetVersion()})
	if err != nil {
		form := destinationForm{Destination: said}
		if now, failed := s.Notifications.GetNotifications(ctx, &tokenstorev1.GetNotificationsRequest{}); failed == nil { // the problem that there is comes first
			form.AlertNames = now.GetAlertNames()
		}
		if rpcerr.Is(err, tokenstorev1.Reason_REASON_VERSION_CONFLICT) { // sent again, it replaces what others have made of it
			said.Version = 0
			err = chat.Errorf(chat.Conflict, "%s", s.texts(c.Request)["problem.destination_changed"])
		}
		s.showForm(c, destinationPage, session, form, err)
		return
	}
	action := "destination changed"
	if said.GetId() == "" {
		action = "destination created"
	}
	s.Note(c, action, "destination", put.GetDestination().GetName(), "kind", put.GetDestination().GetKind())
	seeOther(c, notificationsAddress+"?saved="+url.QueryEscape(put.GetDestination().GetName()))
}
