package anthropic_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/anthropic"
)

// trap 34: the list of models in the form that its clients read, page by page.
func TestTrap34Models(t *testing.T) {
	t.Parallel()
	var models []chat.Model
	for i := range 30 {
		models = append(models, chat.Model{ID: fmt.Sprintf("m%02d", i), Created: 1700000000})
	}
	for query, want := range map[string]struct {
		first, last string
		count       int
		more        bool
	}{
		"":                          {"m00", "m19", 20, true},
		"limit=1000":                {"m00", "m29", 30, false},
		"limit=30":                  {"m00", "m29", 30, false},
		"limit=5":                   {"m00", "m04", 5, true},
		"limit=5&after_id=m04":      {"m05", "m09", 5, true},
		"limit=5&after_id=m24":      {"m25", "m29", 5, false},
		"limit=5&before_id=m05":     {"m00", "m04", 5, false},
		"limit=5&before_id=m06":     {"m01", "m05", 5, true},
		"after_id=m29":              {"", "", 0, false},
		"before_id=m00":             {"", "", 0, false},
		"after_id=m10&before_id=m5": {"", "", -1, false},
		"limit=0":                   {"", "", -1, false},
		"limit=1001":                {"", "", -1, false},
		"limit=x":                   {"", "", -1, false},
		"after_id=unknown":          {"", "", -1, false},
	} {
		values, _ := url.ParseQuery(query)
		list, err := anthropic.API{}.Models(models, values)
		if want.count < 0 {
			if failure := chat.AsError(err); failure == nil || failure.Kind != chat.InvalidRequest || !strings.Contains(query, failure.Param) {
				t.Errorf("%s: %s, %v", query, list, err)
			}
			continue
		}
		var got struct {
			Data  []struct{ ID string }
			More  bool    `json:"has_more"`
			First *string `json:"first_id"`
			Last  *string `json:"last_id"`
		}
		if err != nil || json.Unmarshal(list, &got) != nil || len(got.Data) != want.count || got.More != want.more {
			t.Errorf("%s: %s, %v", query, list, err)
			continue
		}
		if want.count == 0 {
			if got.First != nil || got.Last != nil {
				t.Errorf("%s: %s", query, list)
			}
		} else if *got.First != want.first || *got.Last != want.last || got.Data[0].ID != want.first {
			t.Errorf("%s: %s", query, list)
		}
	}
	const want = `{"type":"model","id":"a/\"b\"","display_name":"a/\"b\"","created_at":"2023-11-14T22:13:20Z"}`
	if got := string(anthropic.API{}.Model(chat.Model{ID: `a/"b"`, OwnedBy: "x", Created: 1700000000})); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// Its clients name a version; a key in X-Api-Key is what clients of other APIs send, too.
func TestRecognizes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"Anthropic-Version": true, "X-Api-Key": false, "Authorization": false} {
		if got := (anthropic.API{}).Recognizes(http.Header{name: {"x"}}); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
