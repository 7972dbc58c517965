package upstreamsim

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
)

const (
	defaultDimensions = 1536
	maxDimensions     = 3072
	maxInputs         = 2048
)

// Embedding is the vector of a text. That of a list of tokens is the vector of the list's JSON,
// as it was received.
func Embedding(text string, dimensions int) []float32 {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(text)) // it never fails
	state := hash.Sum32()
	vector := make([]float32, dimensions)
	for i := range vector {
		state = state*1664525 + 1013904223
		vector[i] = float32(state>>8)/(1<<23) - 1
	}
	return vector
}

type embeddingRequest struct {
	Model          string          `json:"model"`
	Input          json.RawMessage `json:"input"`
	EncodingFormat *string         `json:"encoding_format"`
	Dimensions     *int            `json:"dimensions"`
	User           *string         `json:"user"`

	inputs []string
}

func (r *embeddingRequest) modelID() string { return r.Model }

func (r *embeddingRequest) check(c *sideCall) (problem *rejection) {
	if r.Model == "" {
		return misused("", "you must provide a model parameter")
	}
	if r.inputs, problem = readTexts("input", r.Input, maxInputs, !c.manners.has(strictVendor)); problem != nil {
		return problem
	}
	for i, input := range r.inputs {
		if input == "" {
			return rejected("input", "empty_string", "Invalid 'input[%d]': input cannot be an empty string.", i)
		}
	}
	if r.EncodingFormat != nil && *r.EncodingFormat != "float" && *r.EncodingFormat != "base64" {
		return wrongValue("encoding_format", *r.EncodingFormat, "float", "base64")
	}
	return integerWithin("dimensions", r.Dimensions, 1, maxDimensions)
}

func (r *embeddingRequest) answer(c *sideCall) sideAnswer {
	type entry struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"`
	}
	dimensions, tokens := defaultDimensions, 0
	if r.Dimensions != nil {
		dimensions = *r.Dimensions
	}
	encoded := r.EncodingFormat != nil && *r.EncodingFormat == "base64" && !c.manners.has(floatsOnly)
	data := []entry{}
	for i, input := range r.inputs {
		vector := Embedding(input, dimensions)
		tokens += textTokens(input)
		if encoded {
			data = append(data, entry{"embedding", i, packed(vector)})
		} else {
			data = append(data, entry{"embedding", i, vector})
		}
	}
	return wholeJSON(map[string]any{
		"object": "list", "data": data, "model": r.Model + ModelSuffix, "usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens},
	})
}

// packed is a vector as base64 of little-endian numbers of 4 bytes.
func packed(vector []float32) string {
	raw := make([]byte, 0, 4*len(vector))
	for _, value := range vector {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(value))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

type rerankRequest struct {
	Model     string `json:"model"`
	Query     string `json:"query"`
	Documents []any  `json:"documents"`
	TopN      *int   `json:"top_n"`
	Return    bool   `json:"return_documents"`

	texts []string
}

func (r *rerankRequest) modelID() string { return r.Model }

func (r *rerankRequest) check(*sideCall) *rejection {
	switch {
	case r.Model == "":
		return missing("model")
	case r.Query == "":
		return missing("query")
	case r.Documents == nil:
		return missing("documents")
	case len(r.Documents) == 0:
		return emptyArray("documents")
	}
	for i, document := range r.Documents {
		if object, ok := document.(map[string]any); ok {
			document = object["text"]
		}
		text, ok := document.(string)
		if !ok {
			return rejected("documents", "invalid_type", "Invalid type for 'documents[%d]': expected a string or an object with a text.", i)
		}
		r.texts = append(r.texts, text)
	}
	return integerWithin("top_n", r.TopN, 1, math.MaxInt32)
}

// answer ranks the documents from the last to the first.
func (r *rerankRequest) answer(c *sideCall) sideAnswer {
	count := len(r.texts)
	if r.TopN != nil {
		count = min(count, *r.TopN)
	}
	tokens := textTokens(r.Query)
	results := []any{}
	for rank := range count {
		at := len(r.texts) - 1 - rank
		result := map[string]any{"index": at, "relevance_score": 1 / float64(rank+1)}
		if r.Return {
			result["document"] = map[string]string{"text": r.texts[at]}
		}
		results = append(results, result)
	}
	for _, text := range r.texts {
		tokens += textTokens(text)
	}
	return wholeJSON(map[string]any{
		"id": c.id("rerank-"), "model": r.Model + ModelSuffix, "results": results, "usage": map[string]int{"total_tokens": tokens},
	})
}

type moderationRequest struct {
	Model string          `json:"model"`
	Input json.RawMessage `json:"input"`

	inputs []string
}

// defaultModeration is the model where none is named.
const defaultModeration = "omni-moderation-latest"

// moderationCategories are the harms that are looked for.
var moderationCategories = []string{
	"harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm", "self-harm/intent",
	"self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
}

func (r *moderationRequest) modelID() string {
	if r.Model == "" {
		return defaultModeration
	}
	return r.Model
}

func (r *moderationRequest) check(*sideCall) (problem *rejection) {
	var parts []part
	if given(r.Input) && json.Unmarshal(r.Input, &parts) == nil && len(parts) > 0 {
		text := ""
		for i, part := range parts {
			at := fmt.Sprintf("input[%d]", i)
			switch {
			case part.Type == "text" && part.Text != nil:
				text += *part.Text
			case part.Type == "image_url":
				if problem := checkImage(part.ImageURL, at+".image_url"); problem != nil {
					return problem
				}
			default:
				return wrongValue(at+".type", part.Type, "text", "image_url")
			}
		}
		r.inputs = []string{text}
		return nil
	}
	r.inputs, problem = readTexts("input", r.Input, maxInputs, false)
	return problem
}

// answer flags what is the name of a category.
func (r *moderationRequest) answer(c *sideCall) sideAnswer {
	results := []any{}
	for _, input := range r.inputs {
		flagged := false
		categories, scores, inputs := map[string]bool{}, map[string]float64{}, map[string][]string{}
		for _, category := range moderationCategories {
			hit := input == category
			flagged = flagged || hit
			categories[category], scores[category], inputs[category] = hit, 0.001, []string{}
			if hit {
				scores[category], inputs[category] = 0.99, []string{"text"}
			}
		}
		results = append(results, map[string]any{
			"flagged": flagged, "categories": categories, "category_scores": scores, "category_applied_input_types": inputs,
		})
	}
	return wholeJSON(map[string]any{"id": c.id("modr-"), "model": r.modelID() + ModelSuffix, "results": results})
}
