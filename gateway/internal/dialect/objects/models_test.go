package objects_test

import (
	"encoding/json"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/objects"
)

func TestModels(t *testing.T) {
	t.Parallel()
	models := []chat.Model{{ID: `a"b`, OwnedBy: "x", Created: 7}, {ID: "c"}}
	got := string(objects.Models(models))
	want := `{"object":"list","data":[{"id":"a\"b","object":"model","created":7,"owned_by":"x"},{"id":"c","object":"model","created":0,"owned_by":""}]}`
	if got != want || !json.Valid([]byte(got)) {
		t.Errorf("got %s", got)
	}
	if got := string(objects.Models(nil)); got != `{"object":"list","data":[]}` {
		t.Errorf("got %s", got)
	}
	if got := string(objects.Model(models[1])); got != `{"id":"c","object":"model","created":0,"owned_by":""}` {
		t.Errorf("got %s", got)
	}
}
