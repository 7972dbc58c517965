package fault

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// wireError is a Connect error as JSON: in an end frame, or in the body of an answer that is
// no stream.
type wireError struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Error   json.RawMessage `json:"error"` // another wireError, or a sentence
	Details []struct {
		Value string `json:"value"`
		Debug struct {
			Error   string `json:"error"`
			Details struct {
				Title  string `json:"title"`
				Detail string `json:"detail"`
			} `json:"details"`
		} `json:"debug"`
	} `json:"details"`
}

// OfEnd reads the payload of an end frame. failed tells whether it has an error; ok, whether
// it is one at all.
func OfEnd(payload []byte) (c Complaint, failed, ok bool) {
	var end struct {
		Error *json.RawMessage `json:"error"`
	}
	if json.Unmarshal(payload, &end) != nil || !strings.HasPrefix(strings.TrimSpace(string(payload)), "{") {
		return Complaint{}, false, false
	}
	if end.Error == nil {
		return Complaint{}, false, true
	}
	c.Status = http.StatusOK
	c.readJSON(payload)
	return c, true, true
}

// readJSON takes over what it understands.
func (c *Complaint) readJSON(body []byte) {
	var said wireError
	if json.Unmarshal(body, &said) != nil {
		return
	}
	if len(said.Error) > 0 {
		inner := wireError{}
		if json.Unmarshal(said.Error, &inner) == nil {
			said = inner
		} else if said.Message == "" {
			_ = json.Unmarshal(said.Error, &said.Message) // what is neither says nothing
		}
	}
	c.Code, c.Message = said.Code, said.Message
	for _, detail := range said.Details {
		value, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(detail.Value, "="))
		if err == nil && c.read(value) {
			return
		}
		if number, known := numberOf(detail.Debug.Error); known {
			c.Number, c.Named = number, true
			c.Title, c.Detail = detail.Debug.Details.Title, detail.Debug.Details.Detail
			return
		}
	}
}
