package web

import (
	"context"
	"slices"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var tryPage = view{"try", "try", (*Site).loadTry}

type tryData struct {
	// Model is chosen at first.
	Model string
	// Said is what a request said that is to be repeated, but for the last thing that the user
	// said, which is Text.
	Said []message
	Text string

	// Models have tokens. The first one has answered last, where that is known; Others
	// have none.
	Models, Others []string
	// URL is where chat requests go.
	URL string
}

// lookedBack is in how many answers the page looks for a model that works.
const lookedBack = 20

func (s *Site) loadTry(ctx context.Context, c *gin.Context) (any, error) {
	data := tryData{URL: s.RoutePrefix + "/v1/chat/completions", Models: idsOf(s.Servable())}
	for _, id := range s.modelIDs() {
		if !slices.Contains(data.Models, id) {
			data.Others = append(data.Others, id)
		}
	}
	if at := slices.Index(data.Models, s.answeredLast(ctx, data.Models)); at > 0 {
		data.Models = slices.Concat(data.Models[at:at+1], data.Models[:at], data.Models[at+1:])
	}
	if len(data.Models) > 0 {
		data.Model = data.Models[0]
	}
	if id := c.Query("request"); id != "" {
		return s.repeat(ctx, c, data, id)
	}
	return data, nil
}

// repeat has the page begin with what a logged request said.
func (s *Site) repeat(ctx context.Context, c *gin.Context, data tryData, id string) (tryData, error) {
	query := &tokenstorev1.QueryRequest{Limit: 1}
	jsonapi.SelectRequest(query, id)
	answer, err := s.Logs.Query(ctx, query)
	if err != nil {
		return data, err
	}
	if len(answer.GetEntries()) == 0 {
		return data, notFound("%s", s.texts(c.Request)["repeat.gone"])
	}
	entry := answer.GetEntries()[0]
	data.Model = entry.GetModel()
	if !slices.Contains(data.Models, data.Model) && !slices.Contains(data.Others, data.Model) {
		data.Others = append(data.Others, data.Model)
	}
	data.Said = conversation(splitPrompt(entry.GetPrompt()))
	if len(data.Said) == 0 {
		return data, notFound("%s", s.texts(c.Request)["repeat.none"])
	}
	if last := len(data.Said) - 1; data.Said[last].Role == "user" {
		data.Said, data.Text = data.Said[:last], data.Said[last].Text
	}
	return data, nil
}

// answeredLast is the one of the models that has answered last; empty where none has, or
// the log can't be read: the page does without.
func (s *Site) answeredLast(ctx context.Context, models []string) string {
	answer, err := s.Logs.Query(ctx, &tokenstorev1.QueryRequest{Status: "success", Limit: lookedBack, OmitPrompts: true})
	if err != nil {
		return ""
	}
	for _, entry := range answer.GetEntries() {
		if slices.Contains(models, entry.GetModel()) {
			return entry.GetModel()
		}
	}
	return ""
}

func idsOf(models []chat.Model) []string {
	ids := make([]string, 0, len(models))
	for _, model := range models {
		ids = append(ids, model.ID)
	}
	return ids
}
