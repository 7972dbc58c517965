package prompt

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

const dot = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func TestResults(t *testing.T) {
	t.Parallel()
	image := chat.Part{Image: &chat.Image{URL: dot}}
	for name, test := range map[string]struct {
		result chat.Result
		blind  bool
		want   *agentv1.McpSuccess
	}{
		"texts":                        {chat.Result{Parts: []chat.Part{{Text: "a"}, {}, {Text: "b\xff"}}}, false, texts("a", "b\uFFFD")},
		"nothing":                      {chat.Result{}, false, texts("(no output)")},
		"a failure":                    {chat.Result{Failed: true, Parts: []chat.Part{{Text: "timeout"}}}, false, &agentv1.McpSuccess{Content: texts("timeout").GetContent(), IsError: true}},
		"a document":                   {chat.Result{Parts: []chat.Part{{Document: &chat.Document{Text: "d"}}}}, false, texts("d")},
		"an image that can't be shown": {chat.Result{Parts: []chat.Part{image, {Text: "a"}}}, true, texts("a", imagesUnseen)},
	} {
		test.result.CallID = "call_1"
		got, err := Results(requestWith(test.result), models.Choice{Vision: !test.blind}, []string{"call_1"})
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got[0].GetSuccess(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	got, err := Results(requestWith(chat.Result{CallID: "b", Parts: []chat.Part{image}}, chat.Result{CallID: "a"}), models.Choice{Vision: true}, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if item := got[1].GetSuccess().GetContent()[0].GetImage(); item.GetMimeType() != "image/png" || len(item.GetData()) == 0 {
		t.Errorf("%v", got)
	}
	if _, err := Results(requestWith(chat.Result{CallID: "a", Parts: []chat.Part{{Audio: &chat.Audio{}}}}), models.Choice{}, []string{"a"}); err == nil {
		t.Error("a sound is taken")
	}
}

func requestWith(results ...chat.Result) *chat.Request {
	message := chat.Message{Role: chat.Tool}
	for i := range results {
		message.Parts = append(message.Parts, chat.Part{Result: &results[i]})
	}
	return &chat.Request{Messages: []chat.Message{message}}
}

func texts(all ...string) *agentv1.McpSuccess {
	success := &agentv1.McpSuccess{}
	for _, text := range all {
		success.Content = append(success.Content, textItem(text))
	}
	return success
}
