package openai

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// delta is a chunk of one choice.
func delta(members string) string {
	return `{"choices":[{"index":0,"delta":{` + members + `},"finish_reason":null}]}`
}

// calling is a chunk with pieces of calls.
func calling(pieces string) string { return delta(`"tool_calls":[` + pieces + `]`) }

var madeID = regexp.MustCompile(`call_[A-Z2-7]{26}`)

// rawOf are the chunks of an answer, with ids that are made here under one name.
func rawOf(events []chat.Event) (all []string) {
	for _, event := range events {
		if event.Raw.JSON != nil {
			all = append(all, madeID.ReplaceAllString(string(event.Raw.JSON), "made"))
		}
	}
	return all
}

// A chunk gets the form of the API where it has another, and stays byte for byte where
// it has it.
func TestChunksGetTheFormOfTheAPI(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ sent, want []string }{
		"nothing is wrong": {
			[]string{` { "choices" : [ {"index":0,"delta": {"content":"a"} , "x":1} ], "y" : [ ] }`, calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}`), calling(`{"index":0,"function":{"arguments":"}"}}`)},
			[]string{` { "choices" : [ {"index":0,"delta": {"content":"a"} , "x":1} ], "y" : [ ] }`, calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}`), calling(`{"index":0,"function":{"arguments":"}"}}`)},
		},
		"no list of choices": {
			[]string{`{"object":"chat.completion.chunk","x":1}`, `{"choices":null,"usage":{"prompt_tokens":1}}`, `{"usage":{"prompt_tokens":1}}`},
			[]string{`{"object":"chat.completion.chunk","x":1,"choices":[]}`, `{"choices":[],"usage":{"prompt_tokens":1}}`, `{"usage":{"prompt_tokens":1},"choices":[]}`},
		},
		"no delta": {
			[]string{`{"choices":[{"index":0,"delta":null}]}`, `{"choices":[{"index":0}]}`, `{"choices":[{"delta":[],"index":0}]}`, `{"choices":[null]}`, `{"choices":[{}]}`},
			[]string{`{"choices":[{"index":0,"delta":{}}]}`, `{"choices":[{"index":0,"delta":{}}]}`, `{"choices":[{"index":0,"delta":{}}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":null}]}`, `{"choices":[{"delta":{},"index":0}]}`},
		},
		"a message in a chunk": {
			[]string{`{"choices":[{"index":0,"message":{"content":"a"}}]}`, `{"choices":[{"delta":null, "message" : {"content":"b"},"index":0}]}`, `{"choices":[{"index":0,"delta":{"content":"c"},"message":null}]}`},
			[]string{`{"choices":[{"index":0,"delta":{"content":"a"}}]}`, `{"choices":[{ "delta":{"content":"b"},"index":0}]}`, `{"choices":[{"index":0,"delta":{"content":"c"},"message":null}]}`},
		},
		"what has been said so far, beside what is new": {
			[]string{`{"choices":[{"index":0,"message":{"content":"a"},"delta":{"content":"a"}}]}`, `{"choices":[{"message":{"content":"ab"},"delta":{"content":"b"}}]}`},
			[]string{`{"choices":[{"index":0,"message":{"content":"a"},"delta":{"content":"a"}}]}`, `{"choices":[{"message":{"content":"ab"},"delta":{"content":"b"},"index":0}]}`},
		},
		"no index": {
			[]string{`{"choices":[{"delta":{"content":"a"}},{"index":null,"delta":{"content":"b"}}]}`},
			[]string{`{"choices":[{"delta":{"content":"a"},"index":0},{"index":1,"delta":{"content":"b"}}]}`},
		},
		"words for not yet": {
			[]string{`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":""}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"null"}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"none"}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":false}]}`},
			[]string{`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":null}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":null}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":null}]}`},
		},
		"an error that says nothing": {
			[]string{`{"error":{},"choices":[{"index":0,"delta":{}}]}`, `{"choices":[{"index":0,"delta":{}}],"error":"" }`, `{"choices":[{"index":0,"delta":{}}],"error":null}`},
			[]string{`{"choices":[{"index":0,"delta":{}}]}`, `{"choices":[{"index":0,"delta":{}}] }`, `{"choices":[{"index":0,"delta":{}}],"error":null}`},
		},
		"calls without an index, by their ids": {
			[]string{
				calling(`{"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calling(`{"id":"b","type":"function","function":{"name":"g","arguments":""}}`),
				calling(`{"id":"a","function":{"arguments":"1"}}`), calling(`{"function":{"arguments":"2"}}`), calling(`{"id":"b","function":{"arguments":"3"}}`),
			},
			[]string{
				calling(`{"id":"a","type":"function","function":{"name":"f","arguments":""},"index":0}`), calling(`{"id":"b","type":"function","function":{"name":"g","arguments":""},"index":1}`),
				calling(`{"id":"a","function":{"arguments":"1"},"index":0}`), calling(`{"function":{"arguments":"2"},"index":0}`), calling(`{"id":"b","function":{"arguments":"3"},"index":1}`),
			},
		},
		"calls without an index or an id, by their order": {
			[]string{
				calling(`{"type":"function","function":{"name":"f","arguments":""}},{"function":{"name":"g","arguments":"{}"}}`), calling(`{"function":{"arguments":""}}`),
				calling(`{"index":null,"id":"","type":"function","function":{"name":"f","arguments":"{}"}}`),
			},
			[]string{
				calling(`{"type":"function","function":{"name":"f","arguments":""},"index":0,"id":"made"},{"function":{"name":"g","arguments":"{}"},"index":1,"id":"made","type":"function"}`), calling(`{"function":{"arguments":""},"index":1}`),
				calling(`{"index":2,"id":"made","type":"function","function":{"name":"f","arguments":"{}"}}`),
			},
		},
		"all calls with the same index": {
			[]string{calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}`), calling(`{"index":0,"id":"b","type":"function","function":{"name":"g","arguments":"{"}}`), calling(`{"index":0,"function":{"arguments":"}"}}`)},
			[]string{calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}`), calling(`{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{"}}`), calling(`{"index":1,"function":{"arguments":"}"}}`)},
		},
		"a new id with each piece of a call": {
			[]string{calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calling(`{"index":0,"id":"b","function":{"name":null,"arguments":"{}"}}`)},
			[]string{calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calling(`{"index":0,"id":"b","function":{"name":null,"arguments":"{}"}}`)},
		},
		"the name with each piece of a call": {
			[]string{calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calling(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`), calling(`{"id":"a","type":"function","function":{"name":"f","arguments":""}}`)},
			[]string{calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calling(`{"index":0,"id":"a","function":{"name":"","arguments":"{}"}}`), calling(`{"id":"a","type":"function","function":{"name":"","arguments":""},"index":0}`)},
		},
		"the pieces of a name": {
			[]string{calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calling(`{"index":0,"function":{"name":"f","arguments":""}}`), calling(`{"index":0,"id":"a","function":{"name":"_g","arguments":"{}"}}`)},
			[]string{calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calling(`{"index":0,"function":{"name":"f","arguments":""}}`), calling(`{"index":0,"id":"a","function":{"name":"_g","arguments":"{}"}}`)},
		},
		"calls that begin at one": {
			[]string{calling(`{"index":1,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calling(`{"index":1,"function":{"arguments":"{}"}}`)},
			[]string{calling(`{"index":1,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calling(`{"index":1,"function":{"arguments":"{}"}}`)},
		},
		"no calls in a list (72)": {
			[]string{delta(`"role":"assistant","content":"a","tool_calls":[]`), delta(`"tool_calls":[ ] ,"content":"b"`), delta(`"tool_calls":[]`), delta(`"tool_calls":null,"content":"c"`)},
			[]string{delta(`"role":"assistant","content":"a"`), delta(`"content":"b"`), delta(``), delta(`"tool_calls":null,"content":"c"`)},
		},
		"arguments that are no text": {
			[]string{
				calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":{"x": "\""}}}`), calling(`{"index":1,"id":"b","type":"function","function":{"arguments":null,"name":"g"}}`),
				delta(`"function_call":{"name":"f","arguments":{}}`), delta(`"function_call":{"name":"f","arguments":null}`),
			},
			[]string{
				calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\": \"\\\"\"}"}}`), calling(`{"index":1,"id":"b","type":"function","function":{"arguments":"","name":"g"}}`),
				delta(`"function_call":{"name":"f","arguments":"{}"}`), delta(`"function_call":{"name":"f","arguments":""}`),
			},
		},
		"a pair cut in two, in each kind of text": {
			[]string{
				delta(`"content":"a\ud83d"`), delta(`"reasoning_content":"b\uD83D"`), delta(`"reasoning":"c\ud83d","refusal":"d\ud83d"`),
				calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"e\ud83d"}}`), calling(`{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":"f\ud83d"}}`),
				delta(`"content":""`), delta(`"content":"\ude00","reasoning_content":"\ude01"`), delta(`"refusal":"\ude02","reasoning":"\ude03"`),
				calling(`{"index":1,"function":{"arguments":"\ude05"}},{"index":0,"function":{"arguments":"\ude04"}}`),
			},
			[]string{
				delta(`"content":"a"`), delta(`"reasoning_content":"b"`), delta(`"reasoning":"c","refusal":"d"`),
				calling(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"e"}}`), calling(`{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":"f"}}`),
				delta(`"content":""`), delta(`"content":"\ud83d\ude00","reasoning_content":"\uD83D\ude01"`), delta(`"refusal":"\ud83d\ude02","reasoning":"\ud83d\ude03"`),
				calling(`{"index":1,"function":{"arguments":"\ud83d\ude05"}},{"index":0,"function":{"arguments":"\ud83d\ude04"}}`),
			},
		},
		"a pair of each choice's own": {
			[]string{`{"choices":[{"index":1,"delta":{"content":"\ud83d"}},{"index":0,"delta":{"content":"\ud83c"}}]}`, `{"choices":[{"index":0,"delta":{"content":"\udf00"}},{"index":1,"delta":{"content":"\ude00"}}]}`},
			[]string{`{"choices":[{"index":1,"delta":{"content":""}},{"index":0,"delta":{"content":""}}]}`, `{"choices":[{"index":0,"delta":{"content":"\ud83c\udf00"}},{"index":1,"delta":{"content":"\ud83d\ude00"}}]}`},
		},
		"a character's bytes cut in two": {
			[]string{delta("\"content\":\"a\xf0\x9f\""), delta("\"content\":\"\x98\""), delta("\"content\":\"\x80b\"")},
			[]string{delta(`"content":"a"`), delta(`"content":""`), delta(`"content":"😀b"`)},
		},
		"half a pair that is none": {
			[]string{delta(`"content":"\\ud83d"`), delta(`"content":"x\ud83"`[:11] + `"`), delta(`"content":"\\\ud83d"`), delta(`"content":"x"`)},
			[]string{delta(`"content":"\\ud83d"`), delta(`"content":"x\ud83"`[:11] + `"`), delta(`"content":"\\"`), delta(`"content":"\ud83dx"`)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := eventsOf(append(test.sent, said, finished, "[DONE]")...)
			events, failure := gather(t.Context(), t, answering(t, "text/event-stream", stream), newTestCall(true))
			got := rawOf(events)
			if failure != nil || len(got) < 2 {
				t.Fatalf("got %q, %v", got, failure)
			}
			want := test.want
			if got = got[:len(got)-2]; !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// Texts are whole characters, however chunks cut them, and for whoever reads them.
func TestTextsAreWholeCharacters(t *testing.T) {
	t.Parallel()
	stream := eventsOf(delta(`"content":"a\ud83d"`), delta(`"content":"\ude00b"`), delta(`"content":"c"`), delta(`"content":"d"`), finished, "[DONE]")
	for _, streamed := range []bool{true, false} {
		events, failure := gather(t.Context(), t, answering(t, "", stream), newTestCall(streamed))
		text := ""
		for _, event := range events {
			text += event.Text
		}
		if failure != nil || text != "a😀bcd" {
			t.Errorf("streamed %t: %q, %v", streamed, text, failure)
		}
	}
}

// What has been said so far is not said again.
func TestWhatIsNewCounts(t *testing.T) {
	t.Parallel()
	stream := eventsOf(`{"choices":[{"index":0,"message":{"content":"a"},"delta":{"content":"a"}}]}`, `{"choices":[{"index":0,"delta":{"content":"b"},"message":{"content":"ab"}}]}`,
		`{"choices":[{"index":0,"message":{"content":"ab"},"delta":{},"finish_reason":"stop"}]}`, "[DONE]")
	whole := `{"choices":[{"index":0,"delta":{"content":""},"message":{"content":"ab"},"finish_reason":"stop"}]}`
	for _, body := range []string{stream, whole} {
		for _, streamed := range []bool{true, false} {
			events, failure := gather(t.Context(), t, answering(t, "", body), newTestCall(streamed))
			text := ""
			for _, event := range events {
				text += event.Text
			}
			if failure != nil || text != "ab" || strings.Contains(strings.Join(rawOf(events)[1:], ""), "aab") {
				t.Errorf("%s, streamed %t: %q, %v", body, streamed, text, failure)
			}
		}
	}
}

// A whole answer gets the form of the API as well.
func TestWholeAnswersGetTheFormOfTheAPI(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		`{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}`:                                                                              "",
		`{"choices":[{"message":{"content":"a"},"finish_reason":"eos"}]}`:                                                                                         `{"choices":[{"message":{"content":"a"},"finish_reason":"eos","index":0}]}`,
		`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}`:                                                                                `{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}`,
		`{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":null}]}`:                                                                                `{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}`,
		`{"choices":[{"index":0,"message":{"content":"a","tool_calls":[]},"finish_reason":"stop"}]}`:                                                              `{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}`,
		`{"choices":[{"index":0,"message":{"content":"a"}}]}`:                                                                                                     `{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}`,
		`{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}],"error":{}}`:                                                                   `{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}`,
		`{"choices":[{"index":0,"finish_reason":"","message":{"tool_calls":[{"function":{"name":"f","arguments":null}}]}}]}`:                                      `{"choices":[{"index":0,"finish_reason":"tool_calls","message":{"tool_calls":[{"function":{"name":"f","arguments":"{}"},"id":"made","type":"function"}]}}]}`,
		`{"choices":[{"index":0,"finish_reason":"function_call","message":{"function_call":{"name":"f","arguments":{"a":1}}}}]}`:                                  `{"choices":[{"index":0,"finish_reason":"function_call","message":{"function_call":{"name":"f","arguments":"{\"a\":1}"}}}]}`,
		`{"choices":[{"index":0,"finish_reason":"tool_calls","message":{"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}`: "",
	} {
		if want == "" {
			want = sent
		}
		events, failure := gather(t.Context(), t, answering(t, "application/json", sent), newTestCall(false))
		if got := rawOf(events); failure != nil || len(got) != 1 || got[0] != want {
			t.Errorf("got  %s, %v\nwant %s", got, failure, want)
		}
	}
}

// What is no chunk is a sign of life, wherever it stands.
func TestSignsOfLife(t *testing.T) {
	t.Parallel()
	for _, sign := range []string{
		"data:\n\n", "data: \n\n", "data: null\n\n", "data: keep-alive\n\n", "data: 17\n\n", "data: \"ping\"\n\n", "data: {}\n\n", "data: []\n\n", "data: true\n\n",
		"data: {\"type\":\"ping\"}\n\n", "event: ping\ndata: {\"time\":1}\n\n", "event: heartbeat\ndata\n\n", ": hello\n\n", "id: 1\n\n", "retry: 100\n\n", "what is this\n\n",
		"data: {\"status\":\"processing\",\"message\":\"please wait\"}\n\n", "data: {\"code\":0,\"msg\":\"ok\"}\n\n", "data: {\"code\":200,\"message\":\"success\"}\n\n",
		"data: {\"choices\":null}\n\n", "data: {\"base_resp\":{\"status_code\":0,\"status_msg\":\"success\"}}\n\n", "data: {\"success\":true,\"error\":null}\n\n",
	} {
		for place, stream := range map[string]string{
			"before":           sign + eventsOf(said, finished, "[DONE]"),
			"between":          eventsOf(said) + sign + eventsOf(finished, "[DONE]"),
			"after the finish": eventsOf(said, finished) + sign + eventsOf("[DONE]"),
			"in place of DONE": eventsOf(said, finished) + sign,
		} {
			for _, streamed := range []bool{true, false} {
				events, failure := gather(t.Context(), t, answering(t, "text/event-stream", stream), newTestCall(streamed))
				var text string
				ends := 0
				for _, event := range events {
					text += event.Text
					if event.Finish == chat.Stop {
						ends++
					}
				}
				if failure != nil || text != "x" || ends != 1 || streamed && !reflect.DeepEqual(rawOf(events), []string{said, finished}) {
					t.Errorf("%q %s, streamed %t: %+v, %v", sign, place, streamed, events, failure)
				}
			}
		}
	}
}

// After the finish, what can't be read is no fault; before it, it is.
func TestWhatCantBeReadAfterTheFinish(t *testing.T) {
	t.Parallel()
	for _, rest := range []string{"data: {\"choices\":[\n\n", "data: {\"usage\":{\"prompt", "data: DONE\n\n", "data: [DONE", "data: [done]\n\n", "event: done\n\n", "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"null\"}]}\n\n"} {
		if events, failure := gather(t.Context(), t, answering(t, "", eventsOf(said, finished)+rest), newTestCall(true)); failure != nil || len(rawOf(events)) < 2 {
			t.Errorf("%q after the finish: %+v, %v", rest, events, failure)
		}
		if _, failure := gather(t.Context(), t, answering(t, "", eventsOf(said)+rest), newTestCall(true)); failure == nil || failure.Class != upstream.Truncated {
			t.Errorf("%q before it: %v", rest, failure)
		}
	}
}

// An answer of several choices ends when each has.
func TestEachChoiceHasToEnd(t *testing.T) {
	t.Parallel()
	both := `{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}`
	other := `{"choices":[{"index":1,"delta":{"content":"c"},"finish_reason":"length"}]}`
	if _, failure := gather(t.Context(), t, answering(t, "", eventsOf(both, finished)), newTestCall(true)); failure == nil || failure.Class != upstream.Truncated {
		t.Errorf("one of two: %v", failure)
	}
	if events, failure := gather(t.Context(), t, answering(t, "", eventsOf(both, finished, other, finished)), newTestCall(true)); failure != nil || len(events) != 4 {
		t.Errorf("both: %+v, %v", events, failure)
	}
	events, failure := gather(t.Context(), t, answering(t, "", eventsOf(both, finished, other)), newTestCall(false))
	const want = `{"object":"chat.completion","choices":[{"index":0,"message":{"content":"a","role":"assistant"},"finish_reason":"stop"},{"index":1,"message":{"content":"bc","role":"assistant"},"finish_reason":"length"}]}`
	if got := rawOf(events); failure != nil || len(got) != 1 || got[0] != want {
		t.Errorf("joined: %s, %v", got, failure)
	}
}

// Empty is what has no content of any name, and was not counted either.
func TestWhatCountsAsAnAnswer(t *testing.T) {
	t.Parallel()
	for members, answer := range map[string]bool{
		`"content":"","images":[{"type":"image_url","image_url":{"url":"data:,"}}]`:  true,
		`"reasoning_details":[{"type":"reasoning.encrypted","data":"AAAA"}]`:         true,
		`"annotations":[{"type":"url_citation","url_citation":{"url":"https://x"}}]`: true,
		`"audio":{"id":"a"}`:                         true,
		`"thinking":"hm"`:                            true,
		`"thinking":[{"type":"text","text":"hm"}]`:   true,
		`"content":[{"type":"image","data":"AAAA"}]`: true,
		`"something_new":"x"`:                        true,
		`"refusal":"no"`:                             true,
		`"role":"assistant","content":""`:            false,
		`"role":"assistant","content":null,"refusal":null,"images":[],"audio":null`:             false,
		`"reasoning_details":[{"type":"reasoning.text","text":"","format":null,"index":0}]`:     false,
		`"content":[{"type":"text","text":""}],"tool_calls":[],"provider_specific_fields":{}`:   false,
		`"content":[],"annotations":[],"function_call":null,"reasoning":"","thinking":{"a":[]}`: false,
	} {
		whole := `{"choices":[{"index":0,"message":{` + members + `},"finish_reason":"stop"}]}`
		for name, body := range map[string]string{"whole": whole, "stream": eventsOf(delta(members), finished, "[DONE]"), "at once": eventsOf(`{"choices":[{"index":0,"delta":{`+members+`},"finish_reason":"stop"}]}`) + "data: [DONE]\n\n"} {
			for _, streamed := range []bool{true, false} {
				events, failure := gather(t.Context(), t, answering(t, "", body), newTestCall(streamed))
				switch {
				case answer && (failure != nil || len(events) == 0):
					t.Errorf("%s, %s, streamed %t: %v", members, name, streamed, failure)
				case !answer && (failure == nil || failure.Class != upstream.Truncated || failure.Rule != "empty"):
					t.Errorf("%s, %s, streamed %t: ended with %v", members, name, streamed, failure)
				}
			}
		}
	}
	for _, counted := range []int{0, 1} {
		usage := `"usage":{"prompt_tokens":1,"completion_tokens":` + unix(int64(counted)) + `}`
		for name, body := range map[string]string{
			"whole":         `{"choices":[{"index":0,"message":{"content":""},"finish_reason":"stop"}],` + usage + `}`,
			"after the end": eventsOf(delta(`"content":""`), finished, `{"choices":[],`+usage+`}`, "[DONE]"),
			"with the end":  eventsOf(delta(`"content":""`), `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],`+usage+`}`),
			"as it goes":    eventsOf(`{"choices":[{"index":0,"delta":{"content":""}}],`+usage+`}`, finished),
			"no finish":     eventsOf(`{"choices":[{"index":0,"delta":{"content":""}}],`+usage+`}`, "[DONE]"),
		} {
			for _, streamed := range []bool{true, false} {
				events, failure := gather(t.Context(), t, answering(t, "", body), newTestCall(streamed))
				if (failure == nil) != (counted > 0) || failure == nil && (events[len(events)-1].Usage == nil || events[len(events)-1].Usage.Completion != counted) {
					t.Errorf("%d tokens counted, %s, streamed %t: %+v, %v", counted, name, streamed, events, failure)
				}
			}
		}
	}
}

// Counts tell that there was an answer, by whatever name they go.
func TestCountsByOtherNames(t *testing.T) {
	t.Parallel()
	for usage, answer := range map[string]bool{
		`{"input_tokens":1,"output_tokens":212}`:                                                         true,
		`{"prompt_tokens":1,"completion_tokens":0,"completion_tokens_details":{"reasoning_tokens":212}}`: true,
		`{"output_tokens_details":{"reasoning_tokens":212}}`:                                             true,
		`{"input_tokens":1,"output_tokens":0}`:                                                           false,
		`{"prompt_tokens":1,"completion_tokens_details":{"reasoning_tokens":0,"accepted":1}}`:            false,
	} {
		for name, body := range map[string]string{
			"whole":  `{"choices":[{"index":0,"message":{"content":""},"finish_reason":"stop"}],"usage":` + usage + `}`,
			"stream": eventsOf(delta(`"content":""`), finished, `{"choices":[],"usage":`+usage+`}`, "[DONE]"),
		} {
			for _, streamed := range []bool{true, false} {
				events, failure := gather(t.Context(), t, answering(t, "", body), newTestCall(streamed))
				if (failure == nil && len(events) > 0) != answer {
					t.Errorf("%s, %s, streamed %t: %+v, %v", usage, name, streamed, events, failure)
				}
			}
		}
	}
}

// Half an answer is none, in whatever words the upstream says so.
func TestHalfAnAnswer(t *testing.T) {
	t.Parallel()
	for choice, words := range map[string]string{
		`"finish_reason":"error","error":{"code":502,"message":"the provider went away"}`: "the provider went away",
		`"error":{"message":"the provider went away"},"finish_reason":"stop"`:             "the provider went away",
		`"finish_reason":null,"error":"gone"`:                                             "gone",
		`"finish_reason":"error"`:                                                         `"error"`,
		`"finish_reason":"network_error"`:                                                 `"network_error"`,
		`"finish_reason":"insufficient_system_resource"`:                                  "insufficient_system_resource",
		`"finish_reason":"abort","error":{}`:                                              `"abort"`,
	} {
		for name, body := range map[string]string{
			"whole":  `{"choices":[{"index":0,"message":{"content":"good"},` + choice + `}]}`,
			"stream": eventsOf(said, `{"choices":[{"index":0,"delta":{},`+choice+`}]}`, "[DONE]"),
		} {
			for _, streamed := range []bool{true, false} {
				_, failure := gather(t.Context(), t, answering(t, "", body), newTestCall(streamed))
				if failure == nil || failure.Class != upstream.Truncated || !strings.Contains(failure.Message, words) {
					t.Errorf("%s, %s, streamed %t: %v", choice, name, streamed, failure)
				}
			}
		}
	}
	// What it says may be the token's fault.
	limited := `{"choices":[{"index":0,"message":{"content":"good"},"finish_reason":"error","error":{"code":429,"message":"slow down"}}]}`
	if _, failure := gather(t.Context(), t, answering(t, "", limited), newTestCall(false)); failure == nil || failure.Class != upstream.RateLimit {
		t.Errorf("a limit: %v", failure)
	}
}

// FuzzMend holds that mending makes valid JSON of valid JSON, keeps what has the form,
// and has nothing left to do the second time.
func FuzzMend(f *testing.F) {
	for _, seed := range []string{
		said, finished, counts, calling(`{"function":{"name":"f","arguments":{}}}`), delta(`"content":"\ud83d"`), `{"choices":[{"delta":null,"message":{}},1]}`,
		`{"error":"","choices":{},"usage":{"prompt_tokens":1}}`, `{"choices":[{"message":{"content":"a"},"delta":{"content":"b"},"index":""}]}`,
	} {
		f.Add([]byte(seed), []byte(seed), true)
		f.Add([]byte(seed), []byte(said), false)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, whole bool) {
		m := mender{whole: whole}
		for _, data := range [][]byte{first, second} {
			p := parsePiece(data)
			if p.malformed || !json.Valid(data) || p.failure != nil || p.broke != nil {
				return
			}
			if !m.wants(&p) {
				continue
			}
			mended := append([]byte(nil), m.mend(data)...)
			again := parsePiece(mended)
			if again.malformed || !json.Valid(mended) {
				t.Fatalf("%q became %q", data, mended)
			}
			if len(again.event.Calls) != len(p.event.Calls) || again.choices < p.choices {
				t.Fatalf("%q became %q: calls or choices are lost", data, mended)
			}
			if again.flawed && !whole && len(m.tails) == 0 && utf8Valid(mended) {
				t.Fatalf("%q became %q, which is flawed", data, mended)
			}
		}
	})
}

func utf8Valid(data []byte) bool { return strings.ToValidUTF8(string(data), "") == string(data) }
