package adminapi

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/notifyform"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Notifications are the tokenstore's calls about who is told of what is wrong.
type Notifications interface {
	GetNotifications(context.Context, *tokenstorev1.GetNotificationsRequest, ...grpc.CallOption) (*tokenstorev1.GetNotificationsResponse, error)
	PutDestination(context.Context, *tokenstorev1.PutDestinationRequest, ...grpc.CallOption) (*tokenstorev1.PutDestinationResponse, error)
	DeleteDestination(context.Context, *tokenstorev1.DeleteDestinationRequest, ...grpc.CallOption) (*tokenstorev1.DeleteDestinationResponse, error)
	TestDestination(context.Context, *tokenstorev1.TestDestinationRequest, ...grpc.CallOption) (*tokenstorev1.TestDestinationResponse, error)
	CreateSilence(context.Context, *tokenstorev1.CreateSilenceRequest, ...grpc.CallOption) (*tokenstorev1.CreateSilenceResponse, error)
	DeleteSilence(context.Context, *tokenstorev1.DeleteSilenceRequest, ...grpc.CallOption) (*tokenstorev1.DeleteSilenceResponse, error)
}

// GET /admin/api/notifications
func (a *API) getNotifications(c *gin.Context) error {
	q := queryOf(c, "language")
	language := q.text("language")
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	now, err := a.Notifications.GetNotifications(ctx, &tokenstorev1.GetNotificationsRequest{Language: language})
	if err != nil {
		return storeerr.Translate(err)
	}
	return jsonapi.Answer(c, http.StatusOK, notifyform.Of(now))
}

// POST /admin/api/notifications/silences
func (a *API) createSilence(c *gin.Context) error {
	var body struct {
		Alert    *string `json:"alert"`
		Upstream *string `json:"upstream"`
		Until    string  `json:"until"`
		Comment  string  `json:"comment"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	until, err := time.Parse(time.RFC3339, body.Until)
	if err != nil {
		return jsonapi.Invalid("until", "a time such as 2026-01-31T12:00:00Z wanted, not %q", body.Until)
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	none := ""
	created, err := a.Notifications.CreateSilence(ctx, &tokenstorev1.CreateSilenceRequest{Silence: &tokenstorev1.Silence{
		Alert: *cmp.Or(body.Alert, &none), Upstream: *cmp.Or(body.Upstream, &none), Until: timestamppb.New(until), Comment: body.Comment,
	}})
	if err != nil {
		return storeerr.Translate(err)
	}
	silence := created.GetSilence()
	a.Note(c, "alerts silenced", "silence", silence.GetId(), "alert", silence.GetAlert(), "upstream", silence.GetUpstream(), "until", until.UTC().Format(time.RFC3339))
	return jsonapi.Answer(c, http.StatusCreated, notifyform.SilenceOf(silence))
}

// DELETE /admin/api/notifications/silences/{id}
func (a *API) deleteSilence(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	if _, err := a.Notifications.DeleteSilence(ctx, &tokenstorev1.DeleteSilenceRequest{Id: c.Param("id")}); err != nil {
		return storeerr.Translate(err)
	}
	a.Note(c, "silence ended", "silence", c.Param("id"))
	c.Status(http.StatusNoContent)
	return nil
}

// storedDestination returns the destination with this id.
func (a *API) storedDestination(ctx context.Context, id string) (*tokenstorev1.Destination, error) {
	now, err := a.Notifications.GetNotifications(ctx, &tokenstorev1.GetNotificationsRequest{})
	if err != nil {
		return nil, storeerr.Translate(err)
	}
	for _, destination := range now.GetDestinations() {
		if destination.GetId() == id {
			return destination, nil
		}
	}
	return nil, chat.Errorf(chat.NotFound, "there is no destination %q", id)
}
