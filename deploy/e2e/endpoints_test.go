package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// startEndpoints starts a pair with ten keys of an upstream that has the side endpoints.
func startEndpoints(t *testing.T) (s *stack.Stack, tokens []stack.Token) {
	t.Helper()
	s = stack.Start(t, stack.Options{})
	tokens = s.AddTokens("openai", "o", 10, 0)
	return s, tokens
}

// binaryFile has every byte, broken UTF-8, and what looks like a boundary.
var binaryFile = func() []byte {
	var file []byte
	for i := range 1<<21 + 7 { // more than a gateway keeps in memory
		file = append(file, byte(i))
	}
	return append(file, "\r\n--boundary\r\n\xff\xfe\x00"...)
}()

// sent posts a body to an endpoint.
func sent(t *testing.T, gateway *stack.Gateway, path, contentType string, body io.Reader) (int, http.Header, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway.URL+"/v1/"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Bearer "+stack.AdminToken)
	response, err := stack.Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, response.Header, answer
}

func asJSON(t *testing.T, gateway *stack.Gateway, path, body string) (int, []byte) {
	t.Helper()
	status, _, answer := sent(t, gateway, path, "application/json", strings.NewReader(body))
	return status, answer
}

// The traps of side endpoints that others have fallen into.
func TestSideEndpointTraps(t *testing.T) {
	t.Parallel()
	s, _ := startEndpoints(t)
	gateway := s.Gateways[0]
	for _, trap := range []struct {
		name string
		test func(t *testing.T, s *stack.Stack)
	}{
		{"73: vectors in base64, as SDKs ask by default", vectorsInBase64},
		{"74: a boundary or a content type lost", formsAsTheyAre},
		{"75: a chunked upload read as empty", chunkedUpload},
		{"76: another name for the model, in a form", modelInAForm},
	} {
		t.Run(trap.name, func(t *testing.T) { trap.test(t, s) })
	}
	if violations := s.Sim.Ledger().Violations; len(violations) > 0 {
		t.Errorf("the upstream would have refused: %+v", violations)
	}
	s.Eventually("the log tells of them", 5*time.Second, func() bool {
		page := string(gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs?limit=100", nil).Body)
		return strings.Contains(page, `"dialect":"openai/embeddings"`) && strings.Contains(page, `"dialect":"openai/audio/transcriptions"`)
	})
}

// vectorsInBase64 asks as the SDKs of Python and JavaScript do. Whatever form the upstream
// has, the client gets the one that it asked for, and all numbers.
func vectorsInBase64(t *testing.T, s *stack.Stack) {
	want := upstreamsim.Embedding("a text", 5)
	for _, model := range []string{"openai/e", "openai/floats-only-e"} {
		var answer struct {
			Data []struct {
				Embedding json.RawMessage `json:"embedding"`
			} `json:"data"`
		}
		status, body := asJSON(t, s.Gateways[0], "embeddings", fmt.Sprintf(`{"model":%q,"input":"a text","dimensions":5,"encoding_format":"base64"}`, model))
		if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || len(answer.Data) != 1 {
			t.Fatalf("%d %s, %v", status, body, err)
		}
		var packed []byte
		if err := json.Unmarshal(answer.Data[0].Embedding, &packed); err != nil {
			t.Fatalf("%s: %s", model, answer.Data[0].Embedding)
		}
		var got []float32
		for at := 0; at < len(packed); at += 4 {
			got = append(got, math.Float32frombits(binary.LittleEndian.Uint32(packed[at:])))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", model, got, want)
		}
		if status, body := asJSON(t, s.Gateways[0], "embeddings", fmt.Sprintf(`{"model":%q,"input":"a text","dimensions":5}`, model)); status != http.StatusOK || !strings.Contains(string(body), `"embedding":[`) {
			t.Errorf("%s without a format: %d %s", model, status, body)
		}
	}
}

// audioForm is a form with the model behind the file.
func audioForm(t *testing.T, model string) (contentType string, body []byte) {
	t.Helper()
	var written bytes.Buffer
	form := multipart.NewWriter(&written)
	file, err := form.CreateFormFile("file", `a "quoted" ü.mp3`)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(binaryFile) // to a buffer
	_ = form.WriteField("response_format", "text")
	_ = form.WriteField("model", model)
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return form.FormDataContentType(), written.Bytes()
}

// formsAsTheyAre compares what the upstream got with what was sent, byte for byte.
func formsAsTheyAre(t *testing.T, s *stack.Stack) {
	contentType, body := audioForm(t, "openai/sim-echo-request")
	status, header, got := sent(t, s.Gateways[0], "audio/transcriptions", contentType, bytes.NewReader(body))
	want := bytes.Replace(body, []byte("openai/sim-echo-request"), []byte("sim-echo-request"), 1)
	if status != http.StatusOK || header.Get("Content-Type") != contentType || !bytes.Equal(got, want) {
		t.Errorf("%d, %q, %d bytes of %d", status, header.Get("Content-Type"), len(got), len(want))
	}
}

func chunkedUpload(t *testing.T, s *stack.Stack) {
	contentType, body := audioForm(t, "openai/sim-echo-request")
	status, _, got := sent(t, s.Gateways[0], "audio/transcriptions", contentType, struct{ io.Reader }{bytes.NewReader(body)})
	if status != http.StatusOK || len(got) != len(body)-len("openai/") {
		t.Errorf("%d, %d bytes of %d", status, len(got), len(body))
	}
}

func modelInAForm(t *testing.T, s *stack.Stack) {
	contentType, body := audioForm(t, "openai/gpt-transcribe")
	status, _, got := sent(t, s.Gateways[0], "audio/transcriptions", contentType, bytes.NewReader(body))
	var form upstreamsim.Form
	if err := json.Unmarshal(got, &form); err != nil || status != http.StatusOK {
		t.Fatalf("%d %.300s, %v", status, got, err)
	}
	if model := form.Fields["model"]; !slices.Equal(model, []string{"gpt-transcribe"}) || form.Files[0].Bytes != len(binaryFile) || form.Files[0].Name != `a "quoted" ü.mp3` {
		t.Errorf("model %q, %+v", model, form.Files)
	}
}

// The official client, unchanged, at each endpoint.
func TestSideEndpointsWithTheOfficialSDK(t *testing.T) {
	t.Parallel()
	s, _ := startEndpoints(t)
	client := s.Gateways[0].SDK()
	const text = "Grüße, 世界! 👩‍👩‍👧"
	t.Run("embeddings", func(t *testing.T) {
		got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
			Model: "openai/e", Dimensions: openai.Int(3), Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", text}},
		})
		if err != nil || len(got.Data) != 2 || len(got.Data[1].Embedding) != 3 || float32(got.Data[1].Embedding[2]) != upstreamsim.Embedding(text, 3)[2] || got.Usage.PromptTokens == 0 {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("completions, streamed", func(t *testing.T) {
		stream := client.Completions.NewStreaming(t.Context(), openai.CompletionNewParams{
			Model: "openai/m", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String(text)}, MaxTokens: openai.Int(100),
		})
		got := ""
		for stream.Next() {
			if choices := stream.Current().Choices; len(choices) > 0 {
				got += choices[0].Text
			}
		}
		if err := stream.Err(); err != nil || got != text {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("moderations without a model", func(t *testing.T) {
		got, err := client.Moderations.New(t.Context(), openai.ModerationNewParams{Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("hate")}})
		if err != nil || !got.Results[0].Flagged {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("an image, edited", func(t *testing.T) {
		got, err := client.Images.Edit(t.Context(), openai.ImageEditParams{
			Model: "openai/gpt-image-1", Prompt: text,
			Image: openai.ImageEditParamsImageUnion{OfFileArray: []io.Reader{
				openai.File(bytes.NewReader(binaryFile), "a.png", "image/png"), openai.File(strings.NewReader("\x89PNG\r\n\x1a\n"), "b.png", "image/png"),
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var form upstreamsim.Form
		if err := json.Unmarshal([]byte(got.Data[0].RevisedPrompt), &form); err != nil || len(form.Files) != 2 || form.Files[0].Bytes != len(binaryFile) ||
			form.Fields["model"][0] != "gpt-image-1" || form.Fields["prompt"][0] != text {
			t.Errorf("%+v, %v", form, err)
		}
		if picture, err := base64.StdEncoding.DecodeString(got.Data[0].B64JSON); err != nil || !bytes.HasPrefix(picture, []byte("\x89PNG")) {
			t.Errorf("%.20q, %v", picture, err)
		}
	})
	t.Run("large images, streamed", func(t *testing.T) {
		stream := client.Images.GenerateStreaming(t.Context(), openai.ImageGenerateParams{Model: "openai/gpt-image-1-sim-big", Prompt: text, PartialImages: openai.Int(1)})
		var kinds []string
		size := 0
		for stream.Next() {
			kinds = append(kinds, stream.Current().Type)
			size += len(stream.Current().B64JSON)
		}
		if err := stream.Err(); err != nil || !slices.Equal(kinds, []string{"image_generation.partial_image", "image_generation.completed"}) || size < 30<<20 {
			t.Errorf("%q, %d bytes, %v", kinds, size, err)
		}
	})
	t.Run("speech", func(t *testing.T) {
		response, err := client.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{
			Model: "openai/tts-1", Input: text, Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if got, err := io.ReadAll(response.Body); err != nil || !bytes.Equal(got, upstreamsim.Speech(text)) || response.Header.Get("Content-Type") != "audio/mpeg" {
			t.Errorf("%d bytes of %s, %v", len(got), response.Header.Get("Content-Type"), err)
		}
	})
	t.Run("a transcription, streamed", func(t *testing.T) {
		stream := client.Audio.Transcriptions.NewStreaming(t.Context(), openai.AudioTranscriptionNewParams{
			Model: "openai/gpt-4o-transcribe", File: openai.File(bytes.NewReader(binaryFile), "a.mp3", "audio/mpeg"),
		})
		last := ""
		for stream.Next() {
			last = stream.Current().Text
		}
		var form upstreamsim.Form
		if err := json.Unmarshal([]byte(last), &form); err != nil || stream.Err() != nil || form.Files[0].Bytes != len(binaryFile) || form.Fields["model"][0] != "gpt-4o-transcribe" {
			t.Errorf("%.300s, %v", last, stream.Err())
		}
	})
	t.Run("cancel", func(t *testing.T) {
		before := s.Sim.Ledger().Total.Cancelled
		ctx, cancel := context.WithCancel(t.Context())
		stream := client.Completions.NewStreaming(ctx, openai.CompletionNewParams{
			Model: "openai/sim-hold", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("hold on")},
		})
		if !stream.Next() {
			t.Fatal(stream.Err())
		}
		cancel()
		waiting, done := context.WithTimeout(t.Context(), stack.Slack)
		defer done()
		if _, err := s.Sim.Await(waiting, func(l upstreamsim.Ledger) bool { return l.Total.Cancelled > before }); err != nil {
			t.Error("the upstream does not learn that the client has gone")
		}
		_ = stream.Close()
	})
	if violations := s.Sim.Ledger().Violations; len(violations) > 0 {
		t.Errorf("the upstream would have refused: %+v", violations)
	}
}

// One bad key among ten fails no request, nor does a rate limit; forms are sent again
// whole.
func TestABadKeyFailsNoSideRequest(t *testing.T) {
	t.Parallel()
	s, tokens := startEndpoints(t)
	gateway := s.Gateways[0]
	for _, rule := range []upstreamsim.Rule{
		{Token: upstreamsim.Fingerprint(tokens[3].Secret), Scenario: "http-401"},
		{Token: upstreamsim.Fingerprint(tokens[7].Secret), Scenario: "http-429"},
	} {
		if err := s.Sim.SetRule(rule); err != nil {
			t.Fatal(err)
		}
	}
	contentType, form := audioForm(t, "openai/gpt-transcribe")
	for i := range 20 {
		if status, body := asJSON(t, gateway, "embeddings", `{"model":"openai/e","input":"x","dimensions":2}`); status != http.StatusOK {
			t.Errorf("embeddings %d: %d %s", i, status, body)
		}
		if status, body := asJSON(t, gateway, "images/generations", `{"model":"openai/gpt-image-1","prompt":"x"}`); status != http.StatusOK {
			t.Errorf("image %d: %d %s", i, status, body)
		}
		if status, _, body := sent(t, gateway, "audio/transcriptions", contentType, bytes.NewReader(form)); status != http.StatusOK {
			t.Errorf("transcription %d: %d %.300s", i, status, body)
		}
	}
	states := map[string]string{}
	for _, token := range gateway.Tokens(t) {
		states[token.ID] = token.State
	}
	if states[tokens[3].ID] == "ready" || states[tokens[7].ID] == "ready" {
		t.Errorf("the states: %v", states)
	}
}

// An image that may have been begun is not begun again; what was surely not, and anything
// else, is.
func TestAPaidImageIsNotBegunTwice(t *testing.T) {
	t.Parallel()
	s, _ := startEndpoints(t)
	gateway := s.Gateways[0]
	for _, c := range []struct {
		path, body string
		scenario   string
		asked      int64
		status     int
	}{
		{"images/generations", `{"model":"openai/gpt-image-1","prompt":"x"}`, "reset-first", 1, http.StatusServiceUnavailable},
		{"images/generations", `{"model":"openai/gpt-image-1","prompt":"x"}`, "http-500", 1, http.StatusServiceUnavailable},
		{"images/generations", `{"model":"openai/gpt-image-1","prompt":"x"}`, "http-429", 2, http.StatusOK},
		{"embeddings", `{"model":"openai/e","input":"x","dimensions":2}`, "reset-first", 2, http.StatusOK},
		{"embeddings", `{"model":"openai/e","input":"x","dimensions":2}`, "http-500", 2, http.StatusOK},
	} {
		before := s.Sim.Ledger().Total.Requests
		if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: c.scenario, Times: 1}); err != nil {
			t.Fatal(err)
		}
		status, body := asJSON(t, gateway, c.path, c.body)
		if asked := s.Sim.Ledger().Total.Requests - before; status != c.status || asked != c.asked {
			t.Errorf("%s after %s: %d %.300s, asked %d times", c.path, c.scenario, status, body, asked)
		}
	}
}

// What can't be carried is refused in words that help.
func TestSideEndpointRefusals(t *testing.T) {
	t.Parallel()
	s, _ := startEndpoints(t)
	s.AddTokens("cursor", "c", 1, 0)
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"embeddings", `{"model":"gpt-4o","input":"x"}`, http.StatusNotFound, `upstream \"cursor\", which has no /v1/embeddings`},
		{"embeddings", `{"input":"x"}`, http.StatusBadRequest, `"param":"model"`},
		{"embeddings", `{"model":"nobody-has-it","input":"x"}`, http.StatusNotFound, "GET /v1/models lists"},
		{"embeddings", `{"model":"openai/e"}`, http.StatusBadRequest, `"param":"input"`},
		{"files", `{}`, http.StatusNotFound, "one account of the upstream"},
		{"audio/speech", `{"model":"openai/sim-http-422","input":"x","voice":"alloy"}`, http.StatusUnprocessableEntity, `{"error":{`},
		{"audio/speech", `{"model":"openai/sim-http-400-html","input":"x","voice":"alloy"}`, http.StatusBadRequest, `"code":"upstream_rejected"`},
	} {
		if status, body := asJSON(t, s.Gateways[0], c.path, c.body); status != c.status || !strings.Contains(string(body), c.says) {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, body)
		}
	}
}
