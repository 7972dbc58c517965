package agent

import agentv1 "carousel.internal/proto/cursor/agent/v1"

// noPerson is why questions to the user are refused: some of what they ask leave for costs.
const noPerson = "nobody is here to ask"

// query refuses a question to the user. One that is unknown gets an answer that says nothing:
// without any the turn would never end.
func query(question *agentv1.InteractionQuery, reason string) *agentv1.InteractionResponse {
	response := &agentv1.InteractionResponse{Id: question.GetId()}
	refused := &agentv1.ApprovalResponse{Result: &agentv1.ApprovalResponse_Rejected{Rejected: &agentv1.ReasonOnly{Reason: reason}}}
	switch question.GetQuery().(type) {
	case *agentv1.InteractionQuery_WebSearchRequestQuery:
		response.Result = &agentv1.InteractionResponse_WebSearchRequestResponse{WebSearchRequestResponse: refused}
	case *agentv1.InteractionQuery_SwitchModeRequestQuery:
		response.Result = &agentv1.InteractionResponse_SwitchModeRequestResponse{SwitchModeRequestResponse: refused}
	case *agentv1.InteractionQuery_WebFetchRequestQuery:
		response.Result = &agentv1.InteractionResponse_WebFetchRequestResponse{WebFetchRequestResponse: refused}
	case *agentv1.InteractionQuery_McpAuthRequestQuery:
		response.Result = &agentv1.InteractionResponse_McpAuthRequestResponse{McpAuthRequestResponse: refused}
	case *agentv1.InteractionQuery_AskQuestionInteractionQuery:
		response.Result = &agentv1.InteractionResponse_AskQuestionInteractionResponse{
			AskQuestionInteractionResponse: &agentv1.AskQuestionResponse{Result: &agentv1.AskQuestionResult{
				Result: &agentv1.AskQuestionResult_Rejected{Rejected: &agentv1.ReasonOnly{Reason: reason}},
			}},
		}
	case *agentv1.InteractionQuery_CreatePlanRequestQuery:
		response.Result = &agentv1.InteractionResponse_CreatePlanRequestResponse{
			CreatePlanRequestResponse: &agentv1.CreatePlanResponse{Result: &agentv1.CreatePlanResult{
				Result: &agentv1.CreatePlanResult_Error{Error: &agentv1.ErrorText{Error: reason}},
			}},
		}
	}
	return response
}
