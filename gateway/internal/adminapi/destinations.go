package adminapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// destinationObject is where people are told, without what is secret of it.
type destinationObject struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Disabled bool   `json:"disabled"`
	Severity string `json:"severity"`
	// Alerts are all where there is none.
	Alerts     []string    `json:"alerts"`
	Language   string      `json:"language"`
	Recoveries bool        `json:"recoveries"`
	MaskedURL  *string     `json:"masked_url"`
	HasSecret  bool        `json:"has_secret"`
	Chat       *string     `json:"chat"`
	Mail       *mailObject `json:"mail"`
	Version    uint64      `json:"version"`
}

type mailObject struct {
	Server   string   `json:"server"`
	Security string   `json:"security"`
	Username string   `json:"username"`
	From     string   `json:"from"`
	To       []string `json:"to"`
}

func destinationOf(d *tokenstorev1.Destination) destinationObject {
	shown := destinationObject{
		ID: d.GetId(), Name: d.GetName(), Kind: d.GetKind(), Disabled: d.GetDisabled(), Severity: d.GetSeverity(), Alerts: nullable.List(d.GetAlerts()),
		Language: d.GetLanguage(), Recoveries: !d.GetWithoutRecoveries(), MaskedURL: nullable.Text(d.GetMaskedUrl()), HasSecret: d.GetHasSecret(),
		Chat: nullable.Text(d.GetChat()), Version: d.GetVersion(),
	}
	if way := d.GetMail(); way != nil {
		shown.Mail = &mailObject{way.GetServer(), way.GetSecurity(), way.GetUsername(), way.GetFrom(), nullable.List(way.GetTo())}
	}
	return shown
}

// readDestination reads what a body says of a destination into the request.
func readDestination(fields map[string]json.RawMessage, request *tokenstorev1.PutDestinationRequest) error {
	into := request.GetDestination()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		raw := fields[name]
		var err error
		switch name {
		case "name":
			err = jsonapi.Member(name, raw, &into.Name)
		case "kind":
			err = jsonapi.Member(name, raw, &into.Kind)
		case "disabled":
			err = jsonapi.Member(name, raw, &into.Disabled)
		case "severity":
			err = jsonapi.Member(name, raw, &into.Severity)
		case "alerts":
			err = optional(name, raw, &into.Alerts)
		case "language":
			err = jsonapi.Member(name, raw, &into.Language)
		case "recoveries":
			wanted := true
			err = jsonapi.Member(name, raw, &wanted)
			into.WithoutRecoveries = !wanted
		case "url":
			request.Url, err = readText(name, raw)
		case "secret":
			request.Secret, err = readText(name, raw)
		case "chat":
			err = jsonapi.Member(name, raw, &into.Chat)
		case "mail":
			into.Mail, err = readMail(raw)
		default:
			err = jsonapi.Invalid(name, "there is no such field here; name, kind, disabled, severity, alerts, language, recoveries, url, secret, chat and mail can be said")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readText reads a text; null is an empty one.
func readText(name string, raw json.RawMessage) (*string, error) {
	text := new(string)
	if isNull(raw) {
		return text, nil
	}
	return text, jsonapi.Member(name, raw, text)
}

// readMail reads how mail goes out; null: it does not.
func readMail(raw json.RawMessage) (*tokenstorev1.MailRoute, error) {
	if isNull(raw) {
		return nil, nil //nolint:nilnil // as said
	}
	var way mailObject
	if err := jsonapi.Member("mail", raw, &way); err != nil {
		return nil, err
	}
	return &tokenstorev1.MailRoute{Server: way.Server, Security: way.Security, Username: way.Username, From: way.From, To: way.To}, nil
}

// POST /admin/api/notifications/destinations
func (a *API) createDestination(c *gin.Context) error {
	fields, err := a.fields(c)
	if err != nil {
		return err
	}
	request := &tokenstorev1.PutDestinationRequest{Destination: &tokenstorev1.Destination{}}
	if err := readDestination(fields, request); err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	put, err := a.Notifications.PutDestination(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	created := put.GetDestination()
	a.Note(c, "destination created", "destination", created.GetName(), "kind", created.GetKind())
	return answerVersioned(c, http.StatusCreated, destinationOf(created), created.GetVersion())
}

// PATCH /admin/api/notifications/destinations/{id}: what is not said stays as it is
func (a *API) updateDestination(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	fields, err := a.fields(c)
	if err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	stored, err := a.storedDestination(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	request := &tokenstorev1.PutDestinationRequest{Destination: proto.CloneOf(stored), ExpectedVersion: version}
	if err := readDestination(fields, request); err != nil {
		return err
	}
	put, err := a.Notifications.PutDestination(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	changed := put.GetDestination()
	a.Note(c, "destination changed", "destination", changed.GetName(), "kind", changed.GetKind())
	return answerVersioned(c, http.StatusOK, destinationOf(changed), changed.GetVersion())
}

// DELETE /admin/api/notifications/destinations/{id}
func (a *API) deleteDestination(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	stored, err := a.storedDestination(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	if _, err := a.Notifications.DeleteDestination(ctx, &tokenstorev1.DeleteDestinationRequest{Id: stored.GetId(), ExpectedVersion: version}); err != nil {
		return storeerr.Translate(err)
	}
	a.Note(c, "destination deleted", "destination", stored.GetName(), "kind", stored.GetKind())
	c.Status(http.StatusNoContent)
	return nil
}

// POST /admin/api/notifications/destinations/{id}/test: answers what came of it
func (a *API) testDestination(c *gin.Context) error {
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	tested, err := a.Notifications.TestDestination(ctx, &tokenstorev1.TestDestinationRequest{Id: c.Param("id")})
	if err != nil {
		return storeerr.Translate(err)
	}
	came := tested.GetDelivery()
	a.Note(c, "destination tested", "destination", came.GetDestinationName(), "outcome", came.GetOutcome())
	return jsonapi.Answer(c, http.StatusOK, deliveryOf(came))
}
