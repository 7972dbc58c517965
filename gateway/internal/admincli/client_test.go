package admincli

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/service/secret"
)

// roundTrip is a gateway that answers without a network.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// A gateway may work on a backup for five minutes, and carries a restore out all the same when its
// caller has gone: who waits is not to be told before that it does not answer.
func TestBackupsMayTakeTheirTime(t *testing.T) {
	api, err := newClient("http://c.example", secret.New("k"))
	if err != nil {
		t.Fatal(err)
	}
	var deadline time.Time
	api.http.Transport = roundTrip(func(r *http.Request) *http.Response {
		deadline, _ = r.Context().Deadline()
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}
	})
	s := &session{api: api}
	if _, _, err := s.callAPI(t.Context(), http.MethodPost, "restore", nil, nil); err != nil || time.Until(deadline) < 6*time.Minute {
		t.Errorf("a restore: until %v, %v", deadline, err)
	}
	if _, err := api.get(t.Context(), "tokens", nil); err != nil || deadline.IsZero() || time.Until(deadline) > 2*time.Minute {
		t.Errorf("another call: until %v, %v", deadline, err)
	}
}
