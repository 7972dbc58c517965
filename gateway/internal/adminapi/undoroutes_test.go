package adminapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A change of a route is kept with what it was and what it became, and undone unless somebody
// has changed it since.
func TestARouteIsTakenBack(t *testing.T) {
	t.Parallel()
	slow := &tokenstorev1.Route{Name: "fast", Match: "slow", Version: 2}
	for name, c := range map[string]struct {
		before, became, now *tokenstorev1.Route
		asked               proto.Message
		says                string
	}{
		"changed":          {slow, fast, fast, &tokenstorev1.PutRouteRequest{Route: slow, ExpectedVersion: 3}, `"undone":1`},
		"created":          {nil, fast, fast, &tokenstorev1.DeleteRouteRequest{Name: "fast", ExpectedVersion: 3}, `"undone":1`},
		"deleted":          {slow, nil, nil, &tokenstorev1.PutRouteRequest{Route: slow}, `"undone":1`},
		"changed again":    {slow, fast, slow, nil, `{"what":"route fast","reason":"it has been changed since"}`},
		"created again":    {slow, nil, fast, nil, "changed since"},
		"as it was before": {fast, fast, fast, nil, "changed since"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			list := &tokenstorev1.ListRoutesResponse{}
			if c.now != nil {
				list.Routes = append(list.Routes, c.now)
			}
			s.answers = append([]proto.Message{list, &tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{{
				Routes: []*tokenstorev1.FormerRoute{{Name: "fast", Route: c.before, Became: c.became}},
			}}}}, s.answers...)
			w := send(t, s, "POST", "/admin/api/audit/r1/undo", key, "")
			if w.Code != 200 || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			want := c.asked
			if want == nil { // it has only looked
				want = &tokenstorev1.ListRoutesRequest{}
			}
			if diff := cmp.Diff(want, s.asked, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChangesOfRoutesCanBeUndone(t *testing.T) {
	t.Parallel()
	s := newStore()
	send(t, s, "PUT", "/admin/api/routes/fast", key, `{"targets":[{"upstream":"vendor"}]}`)
	send(t, s, "DELETE", "/admin/api/routes/fast", key, "")
	var undo []*tokenstorev1.FormerRoute
	for _, entry := range s.kept {
		undo = append(undo, entry.GetUndo().GetRoutes()...)
	}
	want := []*tokenstorev1.FormerRoute{{Name: "fast", Route: fast, Became: fast}, {Name: "fast", Route: fast}}
	if diff := cmp.Diff(want, undo, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}
