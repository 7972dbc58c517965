package adminapi

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/notifyform"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

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
	var way notifyform.Mail
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
	return a.putDestination(ctx, c, request, "destination created", http.StatusCreated)
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
	return a.putDestination(ctx, c, request, "destination changed", http.StatusOK)
}

// putDestination stores what was said, notes the action, and answers what is stored.
func (a *API) putDestination(ctx context.Context, c *gin.Context, request *tokenstorev1.PutDestinationRequest, action string, status int) error {
	answer, err := a.Notifications.PutDestination(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	put := answer.GetDestination()
	a.Note(c, action, "destination", put.GetName(), "kind", put.GetKind())
	return answerVersioned(c, status, notifyform.DestinationOf(put), put.GetVersion())
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
	return jsonapi.Answer(c, http.StatusOK, notifyform.DeliveryOf(came))
}
