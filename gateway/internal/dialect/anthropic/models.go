package anthropic

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// The sizes of a page of models.
const (
	defaultPage = 20
	maxPage     = 1000
)

// listModels renders the page of the list that the query asks for: those after an id, or
// those before one, or the first.
func listModels(all []chat.Model, query url.Values) ([]byte, error) {
	limit := defaultPage
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxPage {
			return nil, invalid("limit", "Input should be an integer from 1 to "+strconv.Itoa(maxPage))
		}
	}
	from, to := 0, len(all)
	if id := query.Get("after_id"); id != "" {
		at, err := position(all, "after_id", id)
		if err != nil {
			return nil, err
		}
		from = at + 1
	}
	backwards := query.Get("before_id")
	if backwards != "" {
		at, err := position(all, "before_id", backwards)
		if err != nil {
			return nil, err
		}
		to = max(at, from)
	}
	more := to-from > limit
	switch {
	case more && backwards != "":
		from = to - limit
	case more:
		to = from + limit
	}
	return appendModels(all[from:to], more), nil
}

func position(all []chat.Model, field, id string) (int, error) {
	at := slices.IndexFunc(all, func(model chat.Model) bool { return model.ID == id })
	if at < 0 {
		return 0, invalid(field, "there is no model "+strconv.Quote(chat.Cut(id, longestWord)))
	}
	return at, nil
}

func appendModels(page []chat.Model, more bool) []byte {
	dst := append(make([]byte, 0, 64+128*len(page)), `{"data":[`...)
	for i := range page {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendModel(dst, &page[i])
	}
	dst = append(dst, `],"has_more":`...)
	dst = strconv.AppendBool(dst, more)
	dst = append(dst, `,"first_id":`...)
	if len(page) == 0 {
		return append(dst, `null,"last_id":null}`...)
	}
	dst = rawjson.AppendString(dst, page[0].ID)
	dst = append(dst, `,"last_id":`...)
	return append(rawjson.AppendString(dst, page[len(page)-1].ID), '}')
}

func appendModel(dst []byte, model *chat.Model) []byte {
	dst = append(dst, `{"type":"model","id":`...)
	dst = rawjson.AppendString(dst, model.ID)
	dst = append(dst, `,"display_name":`...)
	dst = rawjson.AppendString(dst, model.ID)
	dst = append(dst, `,"created_at":"`...)
	dst = time.Unix(model.Created, 0).UTC().AppendFormat(dst, time.RFC3339)
	return append(dst, `"}`...)
}
