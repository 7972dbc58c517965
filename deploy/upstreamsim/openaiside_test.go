package upstreamsim

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func sideRequestTo(ctx context.Context, t testing.TB, base, path, contentType string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer sk-1")
	return r
}

// sideJSON asks an endpoint in JSON.
func sideJSON(t *testing.T, sim *Simulator, path, body string) *recorder {
	t.Helper()
	return record(sim, sideRequestTo(t.Context(), t, "http://sim", path, jsonType, strings.NewReader(body)))
}

// binaryFile has every byte, and what looks like a boundary.
var binaryFile = func() []byte {
	var file []byte
	for value := range 256 {
		file = append(file, byte(value))
	}
	return append(file, "\r\n--boundary\r\n\xff\xfe"...)
}()

// part of a form; a file has a name.
type formPart struct{ field, file, value string }

// formOf writes a form as clients do.
func formOf(t *testing.T, parts ...formPart) (contentType string, body []byte) {
	t.Helper()
	var written bytes.Buffer
	form := multipart.NewWriter(&written)
	for _, part := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + part.field + `"`}}
		if part.file != "" {
			header.Set("Content-Disposition", header.Get("Content-Disposition")+`; filename="`+part.file+`"`)
			header.Set("Content-Type", "audio/wav")
		}
		w, err := form.CreatePart(header)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, part.value) // to a buffer
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return form.FormDataContentType(), written.Bytes()
}

// dataOf are the data of a stream's events, and the names before them.
func dataOf(t *testing.T, body []byte) (names, data []string) {
	t.Helper()
	for event := range strings.SplitSeq(strings.TrimSuffix(string(body), "\n\n"), "\n\n") {
		name := ""
		for line := range strings.SplitSeq(event, "\n") {
			if found, ok := strings.CutPrefix(line, "event: "); ok {
				name = found
			}
			if found, ok := strings.CutPrefix(line, "data: "); ok {
				data = append(data, found)
			}
		}
		names = append(names, name)
	}
	return names, data
}

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fields     string
		texts      []string
		dimensions int
		base64     bool
	}{
		"text":          {`"model":"e","input":"a text"`, []string{"a text"}, 1536, false},
		"texts":         {`"model":"e","input":["a","b"],"dimensions":3`, []string{"a", "b"}, 3, false},
		"tokens":        {`"model":"e","input":[1,2,3],"dimensions":2`, []string{"[1,2,3]"}, 2, false},
		"token lists":   {`"model":"e","input":[[1,2],[3]],"dimensions":2`, []string{"[1,2]", "[3]"}, 2, false},
		"floats":        {`"model":"e","input":"a","encoding_format":"float","dimensions":4`, []string{"a"}, 4, false},
		"base64":        {`"model":"e","input":["a","b"],"encoding_format":"base64","dimensions":5`, []string{"a", "b"}, 5, true},
		"floats always": {`"model":"floats-only-e","input":"a","encoding_format":"base64","dimensions":5`, []string{"a"}, 5, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			var got struct {
				Object, Model string
				Data          []struct {
					Object    string
					Index     int
					Embedding json.RawMessage
				}
				Usage map[string]int
			}
			r := sideJSON(t, sim, "/v1/embeddings", "{"+test.fields+"}")
			if err := json.Unmarshal(r.all(), &got); err != nil || len(got.Data) != len(test.texts) || got.Object != "list" || len(got.Usage) != 2 {
				t.Fatalf("%v: %s", err, r.all())
			}
			for i, text := range test.texts {
				vector := make([]float32, test.dimensions)
				if test.base64 {
					var encoded string
					_ = json.Unmarshal(got.Data[i].Embedding, &encoded)
					raw, err := base64.StdEncoding.DecodeString(encoded)
					if err != nil || len(raw) != 4*test.dimensions {
						t.Fatalf("%v: %d bytes", err, len(raw))
					}
					for k := range vector {
						vector[k] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*k:]))
					}
				} else if err := json.Unmarshal(got.Data[i].Embedding, &vector); err != nil {
					t.Fatal(err)
				}
				if got.Data[i].Index != i || !slices.Equal(vector, Embedding(text, test.dimensions)) {
					t.Errorf("%d: %v", i, vector)
				}
			}
			noViolations(t, sim)
		})
	}
	if slices.Equal(Embedding("a", 8), Embedding("b", 8)) {
		t.Error("all vectors are the same")
	}
}

func TestLegacyCompletions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fields string
		texts  []string
		finish string
	}{
		"text":        {`"prompt":"one"`, []string{"one"}, "stop"},
		"texts, n":    {`"prompt":["one","two"],"n":2`, []string{"one", "one", "two", "two"}, "stop"},
		"tokens":      {`"prompt":[1,2]`, []string{"[1,2]"}, "stop"},
		"token lists": {`"prompt":[[1],[2]]`, []string{"[1]", "[2]"}, "stop"},
		"echo":        {`"prompt":"one","echo":true,"max_tokens":0`, []string{"one"}, "length"},
		"suffix":      {`"prompt":"one","suffix":"two"`, []string{"one … two"}, "stop"},
		"stop":        {`"prompt":"one END two","stop":["END"]`, []string{"one "}, "stop"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			var whole struct {
				ID, Object string
				Choices    []legacyChoice
				Usage      map[string]int
			}
			r := sideJSON(t, sim, "/v1/completions", `{"model":"m",`+test.fields+`}`)
			if err := json.Unmarshal(r.all(), &whole); err != nil || whole.Object != "text_completion" || !strings.HasPrefix(whole.ID, "cmpl-") ||
				len(whole.Choices) != len(test.texts) || whole.Usage["total_tokens"] == 0 || !strings.Contains(string(r.all()), `"logprobs":null`) {
				t.Fatalf("%v: %s", err, r.all())
			}
			for i, choice := range whole.Choices {
				if choice.Index != i || choice.Text != test.texts[i] || *choice.FinishReason != test.finish {
					t.Errorf("%+v", choice)
				}
			}
			_, data := dataOf(t, sideJSON(t, sim, "/v1/completions", `{"model":"m","stream":true,"stream_options":{"include_usage":true},`+test.fields+`}`).all())
			texts := make([]string, len(test.texts))
			for i, event := range data[:len(data)-1] {
				var chunk struct {
					Choices []legacyChoice
					Usage   map[string]int
				}
				if err := json.Unmarshal([]byte(event), &chunk); err != nil {
					t.Fatal(err)
				}
				if last := i == len(data)-2; last != (chunk.Usage != nil) || last != (len(chunk.Choices) == 0) {
					t.Errorf("%s", event)
				}
				for _, choice := range chunk.Choices {
					texts[choice.Index] += choice.Text
				}
			}
			if !slices.Equal(texts, test.texts) || data[len(data)-1] != "[DONE]" {
				t.Errorf("%q", data)
			}
			noViolations(t, sim)
		})
	}
}

func TestModerationsAndRanks(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	var moderated struct {
		Model   string
		Results []struct {
			Flagged    bool
			Categories map[string]bool
		}
	}
	r := sideJSON(t, sim, "/v1/moderations", `{"input":["fine","violence"]}`)
	if err := json.Unmarshal(r.all(), &moderated); err != nil || len(moderated.Results) != 2 || moderated.Results[0].Flagged || !moderated.Results[1].Categories["violence"] {
		t.Errorf("%v: %s", err, r.all())
	}
	r = sideJSON(t, sim, "/v1/moderations", `{"model":"m","input":[{"type":"text","text":"hate"},{"type":"image_url","image_url":{"url":"`+dataImage+`"}}]}`)
	if err := json.Unmarshal(r.all(), &moderated); err != nil || len(moderated.Results) != 1 || !moderated.Results[0].Flagged {
		t.Errorf("%v: %s", err, r.all())
	}
	var ranked struct {
		Results []struct {
			Index    int
			Document struct{ Text string }
		}
	}
	r = sideJSON(t, sim, "/v1/rerank", `{"model":"m","query":"q","documents":["a",{"text":"b"},"c"],"top_n":2,"return_documents":true}`)
	if err := json.Unmarshal(r.all(), &ranked); err != nil || len(ranked.Results) != 2 || ranked.Results[1].Index != 1 || ranked.Results[1].Document.Text != "b" {
		t.Errorf("%v: %s", err, r.all())
	}
	noViolations(t, sim)
	models := sim.Ledger().Models
	if models[defaultModeration].Completed != 1 || models["m"].Completed != 2 {
		t.Errorf("%+v", models)
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	type images struct {
		Data []struct {
			URL     string
			Base64  string `json:"b64_json"`
			Revised string `json:"revised_prompt"`
		}
	}
	ask := func(path, contentType string, body []byte) (got images) {
		t.Helper()
		r := record(sim, sideRequestTo(t.Context(), t, "http://sim", path, contentType, bytes.NewReader(body)))
		if err := json.Unmarshal(r.all(), &got); err != nil || len(got.Data) == 0 {
			t.Fatalf("%s: %v: %s", path, err, r.all())
		}
		return got
	}
	if got := ask("/v1/images/generations", jsonType, []byte(`{"prompt":"a pier","n":2}`)); len(got.Data) != 2 || got.Data[1].Base64 != picture(1, false) || got.Data[0].Revised != "a pier" {
		t.Errorf("%+v", got)
	}
	if got := ask("/v1/images/generations", jsonType, []byte(`{"model":"dall-e-3","prompt":"a pier"}`)); !strings.HasPrefix(got.Data[0].URL, "https://") {
		t.Errorf("%+v", got)
	}
	if got := ask("/v1/images/generations", jsonType, []byte(`{"model":"sim-big","prompt":"a pier"}`)); len(got.Data[0].Base64) != 16<<20 {
		t.Errorf("%d bytes", len(got.Data[0].Base64))
	}
	if got := ask("/v1/images/edits", jsonType, []byte(`{"model":"gpt-image-1","prompt":"x","images":[{"image_url":"`+dataImage+`"}]}`)); got.Data[0].Base64 == "" {
		t.Errorf("%+v", got)
	}
	contentType, body := formOf(t, formPart{"image[]", "a.png", string(binaryFile)}, formPart{"mask", "m.png", "mask"}, formPart{"image[]", "ü.png", "b"}, formPart{"prompt", "", "x"}, formPart{"model", "", "gpt-image-1"})
	var form Form
	if got := ask("/v1/images/edits", contentType, body); json.Unmarshal([]byte(got.Data[0].Revised), &form) != nil || len(form.Files) != 3 ||
		form.Files[0] != (File{"image[]", "a.png", "audio/wav", len(binaryFile), hashOf(string(binaryFile))}) || form.Files[2].Name != "ü.png" {
		t.Errorf("%+v", form)
	}
	contentType, body = formOf(t, formPart{"image", "a.png", "a"}, formPart{"n", "", "3"})
	if got := ask("/v1/images/variations", contentType, body); len(got.Data) != 3 {
		t.Errorf("%+v", got)
	}
	noViolations(t, sim)
	if sim.Ledger().Models[defaultImageModel].Completed != 4 {
		t.Errorf("%+v", sim.Ledger().Models)
	}
}

func TestImageStreams(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	names, data := dataOf(t, sideJSON(t, sim, "/v1/images/generations", `{"prompt":"x","stream":true,"partial_images":2}`).all())
	if !slices.Equal(names, []string{"image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"}) ||
		!strings.Contains(data[1], `"partial_image_index":1`) || !strings.Contains(data[2], `"usage":{`) {
		t.Errorf("%q %q", names, data)
	}
	contentType, body := formOf(t, formPart{"image", "a.png", "a"}, formPart{"prompt", "", "x"}, formPart{"stream", "", "true"})
	names, _ = dataOf(t, record(sim, sideRequestTo(t.Context(), t, "http://sim", "/v1/images/edits", contentType, bytes.NewReader(body))).all())
	if !slices.Equal(names, []string{"image_edit.completed"}) {
		t.Errorf("%q", names)
	}
	noViolations(t, sim)
}

func TestSpeech(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	r := sideJSON(t, sim, "/v1/audio/speech", `{"model":"tts","input":"Hello","voice":"alloy","response_format":"wav"}`)
	if !bytes.Equal(r.all(), Speech("Hello")) || r.header.Get("Content-Type") != "audio/wav" || r.header.Get("Content-Length") != "" || len(r.flushed) != speechPieces {
		t.Errorf("%v, %d pieces", r.header, len(r.flushed))
	}
	_, data := dataOf(t, sideJSON(t, sim, "/v1/audio/speech", `{"model":"tts","input":"Hello","voice":{"id":"v"},"stream_format":"sse"}`).all())
	var sound []byte
	for _, event := range data[:len(data)-1] {
		var delta struct{ Audio []byte }
		if err := json.Unmarshal([]byte(event), &delta); err != nil {
			t.Fatal(err)
		}
		sound = append(sound, delta.Audio...)
	}
	if !bytes.Equal(sound, Speech("Hello")) || !strings.Contains(data[len(data)-1], `"speech.audio.done"`) {
		t.Errorf("%d bytes, %s", len(sound), data[len(data)-1])
	}
	noViolations(t, sim)
}

// Answers tell what arrived of a form, in each form that they have.
func TestTranscriptions(t *testing.T) {
	t.Parallel()
	want := Form{Fields: map[string][]string{"model": {"gpt-4o-transcribe"}}, Files: []File{{"file", "a.wav", "audio/wav", len(binaryFile), hashOf(string(binaryFile))}}}
	for format, test := range map[string]struct {
		path, contentType string
		text              func(body []byte) string
	}{
		"": {"/v1/audio/transcriptions", jsonType, func(body []byte) string {
			var got struct{ Text string }
			_ = json.Unmarshal(body, &got)
			return got.Text
		}},
		"verbose_json": {"/v1/audio/translations", jsonType, func(body []byte) string {
			var got struct{ Segments []struct{ Text string } }
			_ = json.Unmarshal(body, &got)
			return got.Segments[0].Text
		}},
		"diarized_json": {"/v1/audio/transcriptions", jsonType, func(body []byte) string {
			var got struct {
				Segments []struct{ Text, Speaker string }
			}
			_ = json.Unmarshal(body, &got)
			return got.Segments[0].Text
		}},
		"text": {"/v1/audio/translations", "text/plain; charset=utf-8", func(body []byte) string { return string(body) }},
		"srt":  {"/v1/audio/transcriptions", "text/plain; charset=utf-8", func(body []byte) string { return strings.Split(string(body), "\n")[2] }},
		"vtt":  {"/v1/audio/transcriptions", "text/plain; charset=utf-8", func(body []byte) string { return strings.Split(string(body), "\n")[3] }},
		"stream": {"/v1/audio/transcriptions", eventStream, func(body []byte) string {
			_, data := dataOf(t, body)
			text := ""
			for _, event := range data {
				var got struct{ Type, Delta, Text string }
				_ = json.Unmarshal([]byte(event), &got)
				if text += got.Delta; got.Type == "transcript.text.done" && got.Text != text {
					return "not what came before"
				}
			}
			return text
		}},
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			parts := []formPart{{"file", "a.wav", string(binaryFile)}}
			fields := map[string][]string{}
			switch format {
			case "":
			case "stream":
				parts = append(parts, formPart{"stream", "", "true"})
				fields["stream"] = []string{"true"}
			default:
				parts = append(parts, formPart{"response_format", "", format})
				fields["response_format"] = []string{format}
			}
			contentType, body := formOf(t, append(parts, formPart{"model", "", "gpt-4o-transcribe"})...)
			sim := New(Options{})
			r := record(sim, sideRequestTo(t.Context(), t, "http://sim", test.path, contentType, bytes.NewReader(body)))
			if r.header.Get("Content-Type") != test.contentType {
				t.Errorf("%v", r.header)
			}
			var got Form
			if err := json.Unmarshal([]byte(test.text(r.all())), &got); err != nil {
				t.Fatalf("%v: %s", err, r.all())
			}
			fields["model"] = want.Fields["model"]
			if !reflect.DeepEqual(got, Form{fields, want.Files}) {
				t.Errorf("%+v", got)
			}
			noViolations(t, sim)
		})
	}
}

// A body in chunks, whose length nobody has told, is read to its end.
func TestFormsInChunks(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	contentType, body := formOf(t, formPart{"file", "a.wav", strings.Repeat("\x00\xff\r\n--", 100_000)}, formPart{"model", "", "whisper-1"})
	request := sideRequestTo(deadline(t), t, server.URL, "/v1/audio/transcriptions", contentType, io.MultiReader(bytes.NewReader(body)))
	if request.ContentLength != 0 {
		t.Fatal("the length is known")
	}
	r := roundTrip(t, server, request)
	if r.status != http.StatusOK || !strings.Contains(string(r.body), hashOf(strings.Repeat("\x00\xff\r\n--", 100_000))) || !strings.Contains(string(r.body), `"seconds":1`) {
		t.Errorf("%d %v %s", r.status, r.err, r.body)
	}
	noViolations(t, sim)
}

func TestSideEndpointsRefuse(t *testing.T) {
	t.Parallel()
	form := func(parts ...formPart) (string, string) {
		contentType, body := formOf(t, parts...)
		return contentType, string(body)
	}
	file := formPart{"file", "a.wav", "sound"}
	model := formPart{"model", "", "whisper-1"}
	image := formPart{"image", "a.png", "x"}
	fine, whole := form(file, model)
	for name, test := range map[string]struct {
		path, contentType, body string
		param, says             string
	}{
		"embeddings: no model":       {"/v1/embeddings", jsonType, `{"input":"x"}`, "", "model parameter"},
		"embeddings: no input":       {"/v1/embeddings", jsonType, `{"model":"m"}`, "input", "Missing"},
		"embeddings: empty input":    {"/v1/embeddings", jsonType, `{"model":"m","input":["a",""]}`, "input", "input[1]"},
		"embeddings: no inputs":      {"/v1/embeddings", jsonType, `{"model":"m","input":[]}`, "input", "empty array"},
		"embeddings: too many":       {"/v1/embeddings", jsonType, `{"model":"m","input":["a"` + strings.Repeat(`,"a"`, 2048) + `]}`, "input", "length 2049"},
		"embeddings: mixed":          {"/v1/embeddings", jsonType, `{"model":"m","input":["a",1]}`, "input[1]", "an integer"},
		"embeddings: format":         {"/v1/embeddings", jsonType, `{"model":"m","input":"a","encoding_format":"int8"}`, "encoding_format", "'float' and 'base64'"},
		"embeddings: dimensions":     {"/v1/embeddings", jsonType, `{"model":"m","input":"a","dimensions":0}`, "dimensions", ""},
		"embeddings: tokens":         {"/v1/embeddings", jsonType, `{"model":"strict-vendor","input":[1,2]}`, "input[0]", "one of a string or array of strings"},
		"embeddings: a form":         {"/v1/embeddings", fine, whole, "", "application/json"},
		"completions: no prompt":     {"/v1/completions", jsonType, `{"model":"m"}`, "prompt", ""},
		"completions: best_of":       {"/v1/completions", jsonType, `{"model":"m","prompt":"x","n":2,"best_of":1}`, "best_of", ""},
		"completions: streamed best": {"/v1/completions", jsonType, `{"model":"m","prompt":"x","stream":true,"best_of":2}`, "best_of", ""},
		"completions: options":       {"/v1/completions", jsonType, `{"model":"m","prompt":"x","stream_options":{}}`, "stream_options", ""},
		"moderations: no input":      {"/v1/moderations", jsonType, `{}`, "input", ""},
		"rerank: no documents":       {"/v1/rerank", jsonType, `{"model":"m","query":"q"}`, "documents", ""},
		"images: no prompt":          {"/v1/images/generations", jsonType, `{}`, "prompt", ""},
		"images: response_format":    {"/v1/images/generations", jsonType, `{"model":"gpt-image-1","prompt":"x","response_format":"url"}`, "response_format", "Unknown"},
		"images: eleven":             {"/v1/images/generations", jsonType, `{"prompt":"x","n":11}`, "n", ""},
		"images: partial":            {"/v1/images/generations", jsonType, `{"prompt":"x","partial_images":1}`, "partial_images", ""},
		"edits: no picture":          {"/v1/images/edits", jsonType, `{"prompt":"x"}`, "images", ""},
		"speech: no voice":           {"/v1/audio/speech", jsonType, `{"model":"m","input":"x"}`, "voice", ""},
		"speech: long":               {"/v1/audio/speech", jsonType, `{"model":"m","voice":"v","input":"` + strings.Repeat("é", 4097) + `"}`, "input", "length 4097"},
		"speech: format":             {"/v1/audio/speech", jsonType, `{"model":"m","voice":"v","input":"x","response_format":"ogg"}`, "response_format", ""},
		"forms: JSON":                {"/v1/audio/transcriptions", jsonType, `{}`, "", "multipart/form-data"},
		"forms: no boundary":         {"/v1/audio/transcriptions", "multipart/form-data", whole, "", "no boundary"},
		"forms: another boundary":    {"/v1/audio/transcriptions", "multipart/form-data; boundary=other", whole, "", "does not end with the boundary"},
		"forms: cut":                 {"/v1/audio/transcriptions", fine, whole[:len(whole)-10], "", "does not end with the boundary"},
		"forms: empty":               {"/v1/audio/transcriptions", fine, "", "", "0 bytes"},
		"forms: encoded":             {"/v1/audio/transcriptions", fine, strings.Replace(whole, "\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1), "", "content-transfer-encoding"},
		"forms: a name is gone":      {"/v1/audio/transcriptions", fine, strings.Replace(whole, `name="file"; `, "", 1), "", "without a name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkSideRefusal(t, test.path, test.contentType, test.body, test.param, test.says)
		})
	}
	for name, test := range map[string]struct {
		path        string
		parts       []formPart
		param, says string
	}{
		"no model":         {"/v1/audio/transcriptions", []formPart{file}, "", "model parameter"},
		"two models":       {"/v1/audio/transcriptions", []formPart{model, file, model}, "", "twice"},
		"no file":          {"/v1/audio/transcriptions", []formPart{model}, "file", ""},
		"empty file":       {"/v1/audio/transcriptions", []formPart{model, {"file", "a.wav", ""}}, "file", "corrupted"},
		"unknown file":     {"/v1/audio/transcriptions", []formPart{model, {"file", "a.txt", "x"}}, "file", "Unrecognized file format"},
		"unknown form":     {"/v1/audio/translations", []formPart{model, file, {"response_format", "", "diarized_json"}}, "response_format", ""},
		"no truth":         {"/v1/audio/transcriptions", []formPart{model, file, {"stream", "", "maybe"}}, "stream", ""},
		"no UTF-8":         {"/v1/audio/transcriptions", []formPart{model, file, {"prompt", "", "\xff"}}, "", "not UTF-8"},
		"edit, no prompt":  {"/v1/images/edits", []formPart{image}, "prompt", ""},
		"edit, no picture": {"/v1/images/edits", []formPart{{"prompt", "", "x"}}, "image", ""},
		"17 pictures":      {"/v1/images/edits", append(slices.Repeat([]formPart{image}, 17), formPart{"prompt", "", "x"}), "image", "length 17"},
		"two variations":   {"/v1/images/variations", []formPart{image, image}, "image", "length 2"},
		"n, a text":        {"/v1/images/variations", []formPart{image, {"n", "", "two"}}, "n", "an integer"},
	} {
		t.Run("forms: "+name, func(t *testing.T) {
			t.Parallel()
			contentType, body := formOf(t, test.parts...)
			checkSideRefusal(t, test.path, contentType, string(body), test.param, test.says)
		})
	}
}

func checkSideRefusal(t *testing.T, path, contentType, body, param, says string) {
	t.Helper()
	sim := New(Options{})
	r := record(sim, sideRequestTo(t.Context(), t, "http://sim", path, contentType, strings.NewReader(body)))
	failure := decodeObject(t, r.all()).Error
	if r.status != http.StatusBadRequest || failure == nil || !strings.Contains(failure.Message, says) {
		t.Fatalf("%d %s", r.status, r.all())
	}
	if got := failure.Param; (got == nil) != (param == "") || got != nil && *got != param {
		t.Errorf("%s", r.all())
	}
	if violations := sim.Ledger().Violations; len(violations) != 1 {
		t.Errorf("%+v", violations)
	}
}

// Scenarios, rules, tokens and the ledger are those of chat.
func TestSideScenarios(t *testing.T) {
	t.Parallel()
	_, server := serving(t, Options{Tokens: []string{"sk-1"}})
	speech := func(model string) string { return `{"model":"` + model + `","input":"Hello","voice":"alloy"}` }
	for model, check := range map[string]func(received) bool{
		"sim-echo":         func(r received) bool { return bytes.Equal(r.body, Speech("Hello")) },
		"sim-delay-1":      func(r received) bool { return bytes.Equal(r.body, Speech("Hello")) },
		"sim-one-write":    func(r received) bool { return bytes.Equal(r.body, Speech("Hello")) },
		"sim-split-bytes":  func(r received) bool { return bytes.Equal(r.body, Speech("Hello")) },
		"sim-echo-request": func(r received) bool { return string(r.body) == speech("sim-echo-request") },
		"sim-http-429":     func(r received) bool { return r.status == 429 && r.header.Get("Retry-After") == "2" },
		"sim-http-429-quota": func(r received) bool {
			return r.status == 429 && strings.Contains(string(r.body), "insufficient_quota")
		},
		"sim-http-500-html":    func(r received) bool { return r.status == 500 && r.body[0] == '<' },
		"sim-error-after-text": func(r received) bool { return r.status == 500 },
		"sim-eof-mid-frame":    func(r received) bool { return r.err == nil && len(r.body) == speechBytes/2 },
		"sim-cut":              func(r received) bool { return errors.Is(r.err, io.ErrUnexpectedEOF) && len(r.body) == speechBytes/2 },
		"sim-reset":            func(r received) bool { return errors.Is(r.err, syscall.ECONNRESET) },
		"sim-reset-first":      func(r received) bool { return r.err != nil && r.status == 0 },
		"sim-no-such":          func(r received) bool { return r.status == 404 },
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			r := roundTrip(t, server, sideRequestTo(deadline(t), t, server.URL, "/v1/audio/speech", jsonType, strings.NewReader(speech(model))))
			if !check(r) {
				t.Errorf("%d %v %.200q", r.status, r.err, r.body)
			}
		})
	}
	other := sideRequestTo(deadline(t), t, server.URL, "/v1/audio/speech", jsonType, strings.NewReader(speech("tts")))
	other.Header.Set("Authorization", "Bearer sk-2")
	if r := roundTrip(t, server, other); r.status != http.StatusUnauthorized {
		t.Errorf("another token: %d", r.status)
	}
}

func TestSideHoldsAndRules(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	if err := sim.SetRule(Rule{Token: Fingerprint("sk-1"), Model: "e", Scenario: "http-503", Times: 1}); err != nil {
		t.Fatal(err)
	}
	ask := func(path, body string) *http.Request {
		return sideRequestTo(deadline(t), t, server.URL, path, jsonType, strings.NewReader(body))
	}
	for _, want := range []int{503, 200} {
		if r := roundTrip(t, server, ask("/v1/embeddings", `{"model":"e","input":"x","dimensions":1}`)); r.status != want {
			t.Errorf("%d, want %d", r.status, want)
		}
	}
	for path, body := range map[string]string{
		"/v1/embeddings":         `{"model":"sim-hold","input":"x","dimensions":1}`,
		"/v1/audio/speech":       `{"model":"sim-hold","input":"x","voice":"v"}`,
		"/v1/images/generations": `{"model":"sim-silence","prompt":"x"}`,
		"/v1/moderations":        `{"model":"sim-silence-headers","input":"x"}`,
	} {
		done := make(chan received, 1)
		go func() { done <- roundTrip(t, server, ask(path, body)) }()
		if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Held == 1 }); err != nil {
			t.Fatal(path, err)
		}
		sim.Release()
		if r := <-done; r.status != http.StatusOK || r.err != nil || len(r.body) == 0 {
			t.Errorf("%s: %d %v %s", path, r.status, r.err, r.body)
		}
	}
	noViolations(t, sim)
}

// A stream that fails says so in an event.
func TestSideStreamsFail(t *testing.T) {
	t.Parallel()
	r := sideJSON(t, New(Options{}), "/v1/completions", `{"model":"sim-error-after-text","prompt":"`+hello+`","stream":true}`)
	names, data := dataOf(t, r.all())
	if last := len(data) - 1; last < 1 || names[last] != "error" || !strings.Contains(data[last], `"server_error"`) {
		t.Errorf("%q", data)
	}
}
