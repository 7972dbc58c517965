package adminapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestModels(t *testing.T) {
	t.Parallel()
	s := newStore()
	got := object(t, send(t, s, "GET", "/admin/api/models?q=GPT", key, "").Body.Bytes())
	if asked, ok := s.asked.(*tokenstorev1.SummarizePoolsRequest); !ok || !asked.GetModels() {
		t.Errorf("asked %v", s.asked)
	}
	models, _ := got["models"].([]any)
	if len(models) != 1 || got["complete"] != false {
		t.Fatalf("got %v", got)
	}
	first, _ := models[0].(map[string]any)
	for name, want := range map[string]any{"model": "gpt-4o", "route": nil, "estimated": false} {
		if diff := cmp.Diff(want, first[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, name := range []string{"upstreams", "accounts", "able", "reasons", "excluded", "back_at"} {
		if _, there := first[name]; !there {
			t.Errorf("there is no %s", name)
		}
	}
	if none := object(t, send(t, s, "GET", "/admin/api/models?q=nobody", key, "").Body.Bytes()); len(none["models"].([]any)) != 0 {
		t.Errorf("found %v", none)
	}
	if w := send(t, s, "GET", "/admin/api/models?unserved=perhaps", key, ""); w.Code != 400 {
		t.Errorf("a wrong word: %d", w.Code)
	}
}
