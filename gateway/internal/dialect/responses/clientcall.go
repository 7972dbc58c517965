package responses

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/callextra"
	"carousel.internal/gateway/internal/rawjson"
)

// The vendor has tools that the client runs, whose calls and outputs are items of types of their
// own. In a conversation they are calls of functions of that name: what a shell has answered must
// not be missing in it.

// clientCalls are the types of such calls, with the member that says what is to be done. An
// output's type has outputSuffix behind it.
var clientCalls = map[string]string{
	"local_shell_call": "action", "shell_call": "action", "apply_patch_call": "operation", "computer_call": "action",
}

const outputSuffix = "_output"

// isClientOutput tells whether an item of that type is what such a call came to.
func isClientOutput(kind string) bool {
	of, is := strings.CutSuffix(kind, outputSuffix)
	return is && clientCalls[of] != ""
}

// clientCall consumes the call of a tool of the vendor that the client runs.
func (d *decoder) clientCall(at place, kind string) error {
	call := &chat.Call{Name: strings.TrimSuffix(kind, "_call"), Arguments: "{}"}
	id := ""
	err := d.members(func(key []byte) error {
		switch string(key) {
		case "id":
			id = d.word()
		case "call_id":
			call.ID = d.word()
		case clientCalls[kind]:
			call.Arguments = string(rawjson.Mended(d.s.Skip()))
		default:
			d.s.Skip()
		}
		return nil
	})
	if err != nil || d.s.Failed() {
		return err
	}
	if call.ID == "" {
		call.ID = id
	}
	call.ID, call.Extra = callextra.Cut(call.ID)
	given := call.ID
	d.history.say(chat.Part{Call: call}, at)
	d.history.alsoKnown(given, id)
	return nil
}

// clientOutput consumes what such a call came to. Some of these items name the call by the id of
// its item.
func (d *decoder) clientOutput(at place) error {
	id, callID, status := "", "", ""
	var came content
	err := d.members(func(key []byte) error {
		switch string(key) {
		case "id":
			id = d.word()
		case "call_id":
			callID = d.word()
		case "status":
			status = d.word()
		case "output":
			came = d.anything(at)
		default:
			d.s.Skip()
		}
		return nil
	})
	if err != nil || d.s.Failed() {
		return err
	}
	if callID == "" {
		callID = id
	}
	if len(came.parts) == 0 && status != "" { // all that there is to say of a patch
		came.add(chat.Part{Text: status}, at)
	}
	callID, _ = callextra.Cut(callID)
	d.history.result(callID, came.parts, at)
	return nil
}

// anything consumes an output in whatever form it has: a text, a screenshot, or JSON.
func (d *decoder) anything(at place) (said content) {
	if d.s.Kind() == rawjson.String {
		if text := d.s.Text(); text != "" {
			said.add(chat.Part{Text: text}, at)
		}
		return said
	}
	value := d.s.Skip()
	switch url := textOf(value, "image_url"); {
	case url != "":
		said.add(chat.Part{Image: &chat.Image{URL: url, Detail: textOf(value, "detail")}}, at)
	case textOf(value, "file_id") != "":
		said.add(chat.Part{Image: &chat.Image{FileID: textOf(value, "file_id")}}, at)
	case len(value) > 0 && string(value) != "null":
		said.add(chat.Part{Text: string(rawjson.Mended(value))}, at)
	}
	return said
}
