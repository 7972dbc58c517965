package web

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/notifyform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var notificationsPage = view{"notifications", "notifications", (*Site).loadNotifications}

const notificationsAddress = "/admin/notifications"

// mostDeliveries is how many attempts the page shows; the command line has more.
const mostDeliveries = 20

// Notifications are the tokenstore's answers about who is told of what is wrong.
type Notifications interface {
	GetNotifications(context.Context, *tokenstorev1.GetNotificationsRequest, ...grpc.CallOption) (*tokenstorev1.GetNotificationsResponse, error)
	PutDestination(context.Context, *tokenstorev1.PutDestinationRequest, ...grpc.CallOption) (*tokenstorev1.PutDestinationResponse, error)
	DeleteDestination(context.Context, *tokenstorev1.DeleteDestinationRequest, ...grpc.CallOption) (*tokenstorev1.DeleteDestinationResponse, error)
	TestDestination(context.Context, *tokenstorev1.TestDestinationRequest, ...grpc.CallOption) (*tokenstorev1.TestDestinationResponse, error)
	CreateSilence(context.Context, *tokenstorev1.CreateSilenceRequest, ...grpc.CallOption) (*tokenstorev1.CreateSilenceResponse, error)
	DeleteSilence(context.Context, *tokenstorev1.DeleteSilenceRequest, ...grpc.CallOption) (*tokenstorev1.DeleteSilenceResponse, error)
}

// silenceLengths are those that can be chosen, by the names of their texts.
var silenceLengths = []string{"1h", "8h", "24h", "168h"}

type notificationsData struct {
	*tokenstorev1.GetNotificationsResponse
	Upstreams []string
	// Saved, Deleted and Tested say what was just done with the destination of that name, and Failed
	// why a test was not taken; Silenced, that a silence has begun. Empty: nothing was.
	Saved, Deleted, Tested, Failed, Silenced string
}

// Kinds are those that can be added.
func (notificationsData) Kinds() []string { return notifyform.Kinds }

// Lengths are those that a silence can have.
func (notificationsData) Lengths() []string { return silenceLengths }

// Newest are the attempts that are shown.
func (d notificationsData) Newest() []*tokenstorev1.Delivery {
	return d.GetDeliveries()[:min(len(d.GetDeliveries()), mostDeliveries)]
}

// alertRow is an alert as the page shows it.
type alertRow struct{ *tokenstorev1.Alert }

// State is the name of its text.
func (a alertRow) State() string { return notifyform.AlertOf(a.Alert).State() }

// Rows are the alerts.
func (d notificationsData) Rows() []alertRow {
	rows := make([]alertRow, len(d.GetAlerts()))
	for i, each := range d.GetAlerts() {
		rows[i] = alertRow{each}
	}
	return rows
}

func (s *Site) loadNotifications(ctx context.Context, c *gin.Context) (any, error) {
	data := notificationsData{
		GetNotificationsResponse: &tokenstorev1.GetNotificationsResponse{}, Saved: c.Query("saved"), Deleted: c.Query("deleted"),
		Tested: c.Query("tested"), Failed: c.Query("failed"), Silenced: c.Query("silenced"),
	}
	now, err := s.Notifications.GetNotifications(ctx, &tokenstorev1.GetNotificationsRequest{Language: string(languageOf(c.Request))})
	if err != nil {
		return data, err
	}
	data.GetNotificationsResponse = now
	data.Upstreams, err = s.upstreamNames(ctx)
	return data, err
}

// POST /admin/notifications/test: `id` and `csrf`.
func (s *Site) testDestination(c *gin.Context) {
	if _, ok := s.permitted(c); !ok {
		return
	}
	ctx, cancel := s.BulkCall(c)
	defer cancel()
	tested, err := s.Notifications.TestDestination(ctx, &tokenstorev1.TestDestinationRequest{Id: c.PostForm("id")})
	if err != nil {
		s.fail(c, err)
		return
	}
	came := tested.GetDelivery()
	s.Note(c, "destination tested", "destination", came.GetDestinationName(), "outcome", came.GetOutcome())
	seeOther(c, notificationsAddress+"?tested="+url.QueryEscape(came.GetDestinationName())+"&failed="+url.QueryEscape(came.GetDetail()))
}

// POST /admin/notifications/delete: `id`, `name`, `version` and `csrf`.
func (s *Site) deleteDestination(c *gin.Context) {
	if _, ok := s.permitted(c); !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	version, _ := strconv.ParseUint(c.PostForm("version"), 10, 64) // ours
	if _, err := s.Notifications.DeleteDestination(ctx, &tokenstorev1.DeleteDestinationRequest{Id: c.PostForm("id"), ExpectedVersion: version}); err != nil {
		s.fail(c, err)
		return
	}
	s.Note(c, "destination deleted", "destination", c.PostForm("name"))
	seeOther(c, notificationsAddress+"?deleted="+url.QueryEscape(c.PostForm("name")))
}

// POST /admin/notifications/silence: `alert`, `upstream`, `length`, `comment` and `csrf`.
func (s *Site) createSilence(c *gin.Context) {
	if _, ok := s.permitted(c); !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	length := c.PostForm("length")
	if !slices.Contains(silenceLengths, length) {
		length = silenceLengths[0]
	}
	lasts, _ := time.ParseDuration(length) // ours
	until := time.Now().Add(lasts)
	silence := &tokenstorev1.Silence{Alert: c.PostForm("alert"), Upstream: c.PostForm("upstream"), Comment: c.PostForm("comment"), Until: timestamppb.New(until)}
	created, err := s.Notifications.CreateSilence(ctx, &tokenstorev1.CreateSilenceRequest{Silence: silence})
	if err != nil {
		s.fail(c, err)
		return
	}
	s.Note(c, "alerts silenced", "silence", created.GetSilence().GetId(), "alert", silence.GetAlert(), "upstream", silence.GetUpstream(), "until", until.UTC().Format(time.RFC3339))
	seeOther(c, notificationsAddress+"?silenced=1")
}

// POST /admin/notifications/unsilence: `id` and `csrf`.
func (s *Site) deleteSilence(c *gin.Context) {
	if _, ok := s.permitted(c); !ok {
		return
	}
	ctx, cancel := s.Call(c)
	defer cancel()
	if _, err := s.Notifications.DeleteSilence(ctx, &tokenstorev1.DeleteSilenceRequest{Id: c.PostForm("id")}); err != nil {
		s.fail(c, err)
		return
	}
	s.Note(c, "silence ended", "silence", c.PostForm("id"))
	seeOther(c, notificationsAddress)
}
