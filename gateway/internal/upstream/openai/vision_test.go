package openai

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// The upstream fetches images by URL itself, so only none keeps them back.
func TestImagesPassUnlessTheyAreSwitchedOff(t *testing.T) {
	t.Parallel()
	driver, err := New(upstream.Config{BaseURL: "http://upstream.test/v1"})
	if err != nil {
		t.Fatal(err)
	}
	preparer, ok := driver.(upstream.Preparer)
	if !ok {
		t.Fatal("requests are not looked at")
	}
	linked := &chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{
		{Text: "Look"}, {Image: &chat.Image{URL: "http://10.0.0.1/a.png"}}, {Audio: &chat.Audio{}},
	}}}}
	for _, vision := range []string{"", upstream.VisionBase64, upstream.VisionAll} {
		if prepared, err := preparer.Prepare(t.Context(), linked, upstream.Options{Vision: vision}); err != nil || prepared != linked {
			t.Errorf("%q: %v", vision, err)
		}
	}
	_, err = preparer.Prepare(t.Context(), linked, upstream.Options{Vision: upstream.VisionNone})
	if failure := chat.AsError(err); failure == nil || failure.Kind != chat.VisionDisabled || failure.Param != "messages[0].content[1]" {
		t.Errorf("%v", err)
	}
	text := &chat.Request{Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: "Hi"}}}}}
	if _, err := preparer.Prepare(t.Context(), text, upstream.Options{Vision: upstream.VisionNone}); err != nil {
		t.Errorf("text: %v", err)
	}
}
