package web

import (
	"context"

	"github.com/gin-gonic/gin"
)

var tryPage = view{"try", "try", (*Site).loadTry}

type tryData struct {
	Models []string
	// URL is where chat requests go.
	URL string
}

func (s *Site) loadTry(context.Context, *gin.Context) (any, error) {
	return tryData{s.modelIDs(), s.RoutePrefix + "/v1/chat/completions"}, nil
}
