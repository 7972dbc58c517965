package upstreamsim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

const (
	maxSpeech    = 4096 // runes
	speechBytes  = 8 << 10
	speechPieces = 8
)

// Speech is the sound of a text: bytes of every value, no UTF-8.
func Speech(text string) []byte {
	sound := make([]byte, 0, speechBytes)
	sum := sha256.Sum256([]byte(text))
	for len(sound) < speechBytes {
		sound = append(sound, sum[:]...)
		sound = append(sound, 0, 0xff, '\r', '\n')
		sum = sha256.Sum256(sum[:])
	}
	return sound[:speechBytes]
}

// speechTypes are the media types of the formats.
var speechTypes = map[string]string{
	"mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm",
}

type speechRequest struct {
	Model          string          `json:"model"`
	Input          *string         `json:"input"`
	Voice          json.RawMessage `json:"voice"`
	ResponseFormat *string         `json:"response_format"`
	Speed          *float64        `json:"speed"`
	StreamFormat   *string         `json:"stream_format"`
}

func (r *speechRequest) modelID() string { return r.Model }

func (r *speechRequest) check(*sideCall) *rejection {
	switch {
	case r.Model == "":
		return misused("", "you must provide a model parameter")
	case r.Input == nil:
		return missing("input")
	case len([]rune(*r.Input)) > maxSpeech:
		return longString("input", maxSpeech, len([]rune(*r.Input)))
	case !given(r.Voice):
		return missing("voice")
	case r.Voice[0] != '"' && r.Voice[0] != '{':
		return wrongType("voice", "one of a string or object", jsonKind(r.Voice))
	case r.ResponseFormat != nil && speechTypes[*r.ResponseFormat] == "":
		return wrongValue("response_format", *r.ResponseFormat, "mp3", "opus", "aac", "flac", "wav", "pcm")
	case r.StreamFormat != nil && *r.StreamFormat != "sse" && *r.StreamFormat != "audio":
		return wrongValue("stream_format", *r.StreamFormat, "sse", "audio")
	default:
		return decimalWithin("speed", r.Speed, 0.25, 4)
	}
}

// answer is bytes in pieces, or events with the same bytes.
func (r *speechRequest) answer(*sideCall) sideAnswer {
	chunks := slices.Collect(slices.Chunk(Speech(*r.Input), speechBytes/speechPieces))
	if r.StreamFormat == nil || *r.StreamFormat == "audio" {
		format := "mp3"
		if r.ResponseFormat != nil {
			format = *r.ResponseFormat
		}
		return sideAnswer{contentType: speechTypes[format], pieces: chunks}
	}
	var events [][]byte
	for _, chunk := range chunks {
		events = append(events, eventOf("", map[string]string{"type": "speech.audio.delta", "audio": base64.StdEncoding.EncodeToString(chunk)}))
	}
	input, output := textTokens(*r.Input), len(chunks)
	done := map[string]any{"type": "speech.audio.done", "usage": map[string]int{"input_tokens": input, "output_tokens": output, "total_tokens": input + output}}
	return sideAnswer{contentType: eventStream, pieces: append(events, eventOf("", done))}
}

// audioExtensions are the names of files that are taken for sounds.
var audioExtensions = []string{"flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"}

// audioRequest is one for the text of a sound.
type audioRequest struct {
	form    *Form
	formats []string
	stream  bool
	problem *rejection
}

func readTranscription(c *sideCall) (sideRequest, *rejection) {
	r, problem := readAudio(c, "json", "text", "srt", "verbose_json", "vtt", "diarized_json")
	if problem != nil {
		return nil, problem
	}
	stream, problem := r.form.truth("stream")
	r.stream, r.problem = stream && !r.isWhisper(), problem
	return r, nil
}

func readTranslation(c *sideCall) (sideRequest, *rejection) {
	r, problem := readAudio(c, "json", "text", "srt", "verbose_json", "vtt")
	if problem != nil {
		return nil, problem
	}
	return r, nil
}

func readAudio(c *sideCall, formats ...string) (*audioRequest, *rejection) {
	form, problem := c.readForm()
	if problem != nil {
		return nil, problem
	}
	return &audioRequest{form: form, formats: formats}, nil
}

func (r *audioRequest) modelID() string { return r.form.value("model") }

// isWhisper tells the old model, which has no stream and counts seconds.
func (r *audioRequest) isWhisper() bool { return strings.HasPrefix(r.modelID(), "whisper") }

func (r *audioRequest) check(*sideCall) *rejection {
	files := r.form.of("file")
	switch {
	case r.problem != nil:
		return r.problem
	case r.modelID() == "":
		return misused("", "you must provide a model parameter")
	case len(files) == 0:
		return missing("file")
	case len(files) > 1:
		return longArray("file", 1, len(files))
	case files[0].Bytes == 0:
		return rejected("file", "invalid_value", "Audio file might be corrupted or unsupported")
	case !slices.Contains(audioExtensions, strings.ToLower(strings.TrimPrefix(path.Ext(files[0].Name), "."))):
		return rejected("file", "invalid_value", "Unrecognized file format. Supported formats: ['%s']", strings.Join(audioExtensions, "', '"))
	default:
		return r.form.oneOf("response_format", r.formats...)
	}
}

func (r *audioRequest) answer(*sideCall) sideAnswer {
	const plain = "text/plain; charset=utf-8"
	text := string(jsonOf(r.form))
	if r.stream {
		return r.events(text)
	}
	switch r.form.value("response_format") {
	case "text":
		return sideAnswer{contentType: plain, whole: []byte(text + "\n")}
	case "srt":
		return sideAnswer{contentType: plain, whole: []byte("1\n00:00:00,000 --> 00:00:01,000\n" + text + "\n\n")}
	case "vtt":
		return sideAnswer{contentType: plain, whole: []byte("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n" + text + "\n\n")}
	case "verbose_json":
		segment := map[string]any{
			"id": 0, "seek": 0, "start": 0.0, "end": 1.0, "text": text, "tokens": []int{1}, "temperature": 0, "avg_logprob": -0.5,
			"compression_ratio": 1, "no_speech_prob": 0.01,
		}
		return wholeJSON(map[string]any{"task": "transcribe", "language": "english", "duration": 1.0, "text": text, "segments": []any{segment}, "usage": r.usage(text)})
	case "diarized_json":
		segment := map[string]any{"type": "transcript.text.segment", "id": "seg_0", "start": 0.0, "end": 1.0, "text": text, "speaker": "A"}
		return wholeJSON(map[string]any{"task": "transcribe", "duration": 1.0, "text": text, "segments": []any{segment}, "usage": r.usage(text)})
	default:
		return wholeJSON(map[string]any{"text": text, "usage": r.usage(text)})
	}
}

// usage is in seconds, or in tokens.
func (r *audioRequest) usage(text string) map[string]any {
	if r.isWhisper() {
		return map[string]any{"type": "duration", "seconds": 1}
	}
	const input = 10
	output := len(pieces(text))
	return map[string]any{
		"type": "tokens", "input_tokens": input, "output_tokens": output, "total_tokens": input + output,
		"input_token_details": map[string]int{"text_tokens": 0, "audio_tokens": input},
	}
}

func (r *audioRequest) events(text string) sideAnswer {
	var events [][]byte
	for _, piece := range pieces(text) {
		events = append(events, eventOf("", map[string]string{"type": "transcript.text.delta", "delta": piece}))
	}
	done := map[string]any{"type": "transcript.text.done", "text": text, "usage": r.usage(text)}
	return sideAnswer{contentType: eventStream, pieces: append(events, eventOf("", done))}
}
