// Package models knows which models the Cursor of today serves: it reads the upstream's two
// lists, finds what a client's id and wish for effort stand for, and has a table of what is
// known for when no list is there. It does no I/O.
package models

import (
	"strings"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// Choice is a model as a run asks for it. Nobody changes what it points to.
type Choice struct {
	// Requested names the model.
	Requested *agentv1.RequestedModel
	// Details name it in the older way, where the upstream needs that too; else nil.
	Details *agentv1.ModelDetails
	// Family is the model without its effort, such as claude-opus-5 or composer-2.5: what
	// the settings for families go by.
	Family string
	// Window is how much it reads, in tokens; 0: not known.
	Window int
	// Vision tells whether it sees images. Others are given them in vain, without an error.
	Vision bool
}

// thinkingMark is in the flat ids of models that think before they speak.
const thinkingMark = "thinking"

// Request is what the upstream's list is asked with: models come with their variants.
func Request() *agentv1.AiAvailableModelsRequest {
	return &agentv1.AiAvailableModelsRequest{UseModelParameters: true, DoNotUseMarkdown: true}
}

// verbatim sends an id that no list has as it is, or with the effort that the model's ids
// are known to end in.
func verbatim(id, effort string) Choice {
	id = strings.ToValidUTF8(id, "\uFFFD")
	if id == auto {
		id = byDefault
	}
	known := familyOf(id)
	flat := known.flat(id, effort)
	return Choice{
		Requested: &agentv1.RequestedModel{ModelId: flat},
		Details:   detailsOf(flat),
		Family:    known.name,
		Window:    known.window,
		Vision:    known.vision,
	}
}

// detailsOf names a model in the older way. A model that thinks is known by a member of its
// own there, without which some have not answered.
func detailsOf(flat string) *agentv1.ModelDetails {
	details := &agentv1.ModelDetails{ModelId: flat, DisplayModelId: flat, DisplayName: flat, DisplayNameShort: flat}
	if strings.Contains(flat, thinkingMark) {
		details.ThinkingDetails = &agentv1.ThinkingDetails{}
	}
	return details
}

// own is a copy, so that no caller's change reaches the catalog.
func (c Choice) own() Choice {
	c.Requested = proto.CloneOf(c.Requested)
	if c.Details != nil {
		c.Details = proto.CloneOf(c.Details)
	}
	return c
}
