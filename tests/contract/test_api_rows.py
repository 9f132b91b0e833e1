"""The REST surface: every method, path and RPC that clients rely on.

The table stands apart from the protos on purpose: a path that changes there must change here too,
so that nobody breaks a client without seeing it.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Final

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor

from farmgate import api

# Method, path and RPC of the rows whose verb and path are fixed to the letter. The metrics are
# missing: they are served on an internal port and are no RPC.
FIXED_ROWS: Final = """
POST /v1/auth/register auth.Register
POST /v1/auth/login auth.Login
POST /v1/auth/refresh auth.Refresh
POST /v1/auth/logout auth.Logout
GET /v1/auth/me auth.GetMe
GET /v1/users/{user_id} users.GetUser
PATCH /v1/users/{user_id} users.UpdateUser
GET /v1/users/me/profile users.GetMyProfile
PATCH /v1/users/me/wallet users.UpdateMyWallet
GET /v1/users/{user_id}/farms users.ListUserFarms
POST /v1/users/me/kyc users.SubmitKyc
GET /v1/users/me/kyc users.GetKycStatus
GET /v1/market/prices market.ListPrices
GET /v1/market/price-history market.ListPriceHistory
GET /v1/market/commodities market.ListCommodities
GET /v1/market/commodities/{code} market.GetCommodity
GET /v1/market/stream market.WatchMarket
POST /v1/trading/orders trading.CreateOrder
GET /v1/trading/orders trading.ListOrders
GET /v1/trading/orders/{order_id} trading.GetOrder
DELETE /v1/trading/orders/{order_id} trading.CancelOrder
GET /v1/trading/trades trading.ListTrades
GET /v1/trading/orderbook trading.GetOrderBook
POST /v1/contracts contracts.CreateContract
GET /v1/contracts contracts.ListContracts
GET /v1/contracts/{contract_id} contracts.GetContract
POST /v1/contracts/{contract_id}/sign contracts.SignContract
POST /v1/contracts/{contract_id}/publish-ipfs contracts.PublishContractToIpfs
POST /v1/contracts/{contract_id}/settle contracts.SettleContract
DELETE /v1/contracts/{contract_id} contracts.CancelContract
POST /v1/blockchain/deploy blockchain.DeployContract
POST /v1/blockchain/sign blockchain.SignTransaction
POST /v1/blockchain/ipfs blockchain.UploadToIpfs
GET /v1/blockchain/ipfs/{cid} blockchain.GetFromIpfs
GET /v1/blockchain/events/stream blockchain.WatchChainEvents
POST /v1/blockchain/gas-estimate blockchain.EstimateGas
GET /v1/ai/forecast ai.GetForecast
POST /v1/ai/retrain ai.RetrainModel
GET /v1/ai/explain ai.ExplainForecast
GET /v1/ai/accuracy ai.GetAccuracy
GET /v1/notifications notifications.ListNotifications
PATCH /v1/notifications/{notification_id}/read notifications.MarkNotificationRead
DELETE /v1/notifications/{notification_id} notifications.DeleteNotification
GET /v1/notifications/stream notifications.WatchNotifications
GET /v1/admin/statistics admin.GetStatistics
GET /v1/admin/users admin.ListUsers
PATCH /v1/admin/users/{user_id}/status admin.UpdateUserStatus
GET /v1/admin/audit-logs admin.ListAuditLogs
POST /v1/admin/system-config admin.SetSystemConfig
GET /healthz health.Healthz
GET /readyz health.Readyz
GET /livez health.Livez
GET /openapi.json health.GetOpenApi
GET /docs health.GetDocs
"""

# The same for everything else.
FURTHER_ROWS: Final = """
POST /v1/auth/verify-email auth.VerifyEmail
POST /v1/auth/verify-email/resend auth.ResendVerification
POST /v1/auth/password/forgot auth.RequestPasswordReset
POST /v1/auth/password/reset auth.ResetPassword
POST /v1/auth/password/change auth.ChangePassword
GET /v1/auth/sessions auth.ListSessions
DELETE /v1/auth/sessions/{session_id} auth.RevokeSession
DELETE /v1/auth/sessions auth.RevokeAllSessions
POST /v1/auth/mfa/enroll auth.EnrollMfa
POST /v1/auth/mfa/confirm auth.ConfirmMfa
POST /v1/auth/mfa/disable auth.DisableMfa
POST /v1/auth/wallet/challenge auth.WalletLoginChallenge
POST /v1/auth/wallet/login auth.WalletLogin
POST /v1/auth/api-keys auth.CreateApiKey
GET /v1/auth/api-keys auth.ListApiKeys
DELETE /v1/auth/api-keys/{key_id} auth.RevokeApiKey
POST /v1/auth/stream-ticket auth.CreateStreamTicket
GET /.well-known/jwks.json auth.GetJwks
DELETE /v1/users/me users.DeleteAccount
POST /v1/users/me/export users.ExportMyData
GET /v1/users/me/export users.GetMyDataExport
GET /v1/users/me/export/archive users.DownloadMyDataExport
POST /v1/farms users.CreateFarm
GET /v1/farms/{farm_id} users.GetFarm
PATCH /v1/farms/{farm_id} users.UpdateFarm
DELETE /v1/farms/{farm_id} users.DeleteFarm
POST /v1/farms/{farm_id}/certifications users.AddFarmCertification
POST /v1/farms/{farm_id}/crops users.AddCropPlan
POST /v1/organizations/{organization_id}/invitations users.InviteMember
GET /v1/organizations/invitations users.ListMyInvitations
POST /v1/organizations/invitations/{invitation_id}/answer users.AnswerInvitation
POST /v1/users/me/kyc/documents users.UploadKycDocument
DELETE /v1/users/me/kyc/documents/{document_id} users.DeleteKycDocument
GET /v1/public/kyc-levels users.GetKycLevels
GET /v1/admin/kyc users.ListKycCases
POST /v1/admin/kyc/{case_id}/assign users.AssignKycCase
POST /v1/admin/kyc/{case_id}/decide users.DecideKycCase
GET /v1/admin/kyc/{case_id}/documents/{document_id} users.GetKycDocument
POST /v1/organizations users.CreateOrganization
GET /v1/organizations/{organization_id} users.GetOrganization
PATCH /v1/organizations/{organization_id} users.UpdateOrganization
GET /v1/organizations/{organization_id}/members users.ListMembers
PATCH /v1/organizations/{organization_id}/members/{user_id} users.UpdateMember
DELETE /v1/organizations/{organization_id}/members/{user_id} users.RemoveMember
POST /v1/receipts users.IssueReceipt
GET /v1/receipts users.ListReceipts
POST /v1/receipts/{receipt_id}/split users.SplitReceipt
POST /v1/receipts/{receipt_id}/cancel users.CancelReceipt
GET /v1/wallet/holds users.ListHolds
GET /v1/wallet/statements users.ListStatements
GET /v1/wallet/statements/{statement_id} users.GetStatement
GET /v1/wallet/statements/{statement_id}/file users.DownloadStatement
GET /v1/wallet/confirmations/{trade_date} users.GetTradeConfirmation
PATCH /v1/users/me/profile users.UpdateMyProfile
GET /v1/wallet/balances users.GetBalances
GET /v1/wallet/ledger users.ListLedger
POST /v1/wallet/deposits users.Deposit
POST /v1/wallet/withdrawals users.Withdraw
POST /v1/users/me/wallet/challenge users.CreateWalletChallenge
DELETE /v1/users/me/wallet users.UnlinkWallet
GET /v1/market/summary market.GetDailySummary
GET /v1/market/instruments market.ListInstruments
GET /v1/market/instruments/{symbol} market.GetInstrument
GET /v1/market/tickers market.ListTickers
GET /v1/market/trades market.ListPublicTrades
GET /v1/market/grades market.ListGrades
GET /v1/market/schedules/{schedule_id} market.GetDiscountSchedule
GET /v1/market/locations market.ListLocations
GET /v1/market/convert market.ConvertUnits
GET /v1/market/reference market.ListReferenceSeries
GET /v1/market/reference/{series_id} market.GetReferenceSeries
POST /v1/market/reference/{series_id}/points market.IngestPrices
GET /v1/market/basis market.GetBasis
GET /v1/market/indices market.ListIndices
GET /v1/market/calendar market.GetCalendar
GET /v1/market/status market.GetMarketStatus
POST /v1/market/alerts market.CreatePriceAlert
GET /v1/market/alerts market.ListPriceAlerts
PATCH /v1/market/alerts/{alert_id} market.UpdatePriceAlert
DELETE /v1/market/alerts/{alert_id} market.DeletePriceAlert
GET /v1/events/market market.StreamMarketEvents
GET /v1/events/orders trading.StreamOrderEvents
PATCH /v1/trading/orders/{order_id} trading.AmendOrder
POST /v1/trading/orders/batch trading.BatchCreateOrders
POST /v1/trading/orders/cancel trading.MassCancel
GET /v1/trading/orders/stream trading.WatchOrders
GET /v1/trading/orderbook/stream trading.WatchOrderBook
POST /v1/trading/orders/preview trading.PreviewOrder
GET /v1/trading/positions trading.GetPositions
GET /v1/trading/limits trading.GetRiskLimits
GET /v1/trading/fees trading.GetFeeSchedule
PUT /v1/trading/cancel-on-disconnect trading.SetCancelOnDisconnect
POST /v1/trading/kill trading.KillSwitch
POST /v1/trading/trades/{trade_id}/review trading.RequestTradeReview
POST /v1/trading/block-trades trading.ReportBlockTrade
POST /v1/trading/simulations trading.RunSimulation
GET /v1/trading/simulations/{simulation_id} trading.GetSimulation
DELETE /v1/trading/simulations/{simulation_id} trading.CancelSimulation
GET /v1/trading/simulations/{simulation_id}/stream trading.WatchSimulation
GET /v1/proofs/orders/{order_id} trading.GetReceipt
GET /v1/proofs/inclusion/{sequence} trading.GetInclusionProof
GET /v1/proofs/anchors/{date} trading.GetJournalAnchor
GET /v1/proofs/journal/{date} trading.DownloadJournal
POST /v1/contracts/{contract_id}/amendments contracts.ProposeAmendment
GET /v1/contracts/{contract_id}/amendments contracts.ListAmendments
POST /v1/contracts/{contract_id}/amendments/{amendment_id}/sign contracts.SignAmendment
POST /v1/contracts/{contract_id}/amendments/{amendment_id}/reject contracts.RejectAmendment
GET /v1/contracts/{contract_id}/history contracts.GetContractHistory
GET /v1/contracts/stream contracts.WatchContracts
POST /v1/contracts/{contract_id}/activate contracts.ActivateContract
POST /v1/contracts/{contract_id}/deliveries contracts.ScheduleDelivery
GET /v1/contracts/{contract_id}/deliveries contracts.ListDeliveries
GET /v1/deliveries/{delivery_id} contracts.GetDelivery
POST /v1/deliveries/{delivery_id}/accept contracts.AcceptDelivery
POST /v1/deliveries/{delivery_id}/reject contracts.RejectDelivery
POST /v1/deliveries/{delivery_id}/resample contracts.ResampleDelivery
POST /v1/deliveries/{delivery_id}/void contracts.VoidDelivery
POST /v1/contracts/{contract_id}/disputes contracts.OpenDispute
GET /v1/contracts/{contract_id}/disputes contracts.ListDisputes
POST /v1/contracts/{contract_id}/disputes/{dispute_id}/answer contracts.AnswerDispute
POST /v1/contracts/{contract_id}/disputes/{dispute_id}/withdraw contracts.WithdrawDispute
POST /v1/contracts/{contract_id}/disputes/{dispute_id}/arbitrator contracts.AssignArbitrator
POST /v1/contracts/{contract_id}/disputes/{dispute_id}/ruling contracts.RuleDispute
POST /v1/contracts/{contract_id}/force-majeure contracts.NotifyForceMajeure
GET /v1/contracts/{contract_id}/force-majeure contracts.ListForceMajeureNotices
POST /v1/contracts/{contract_id}/force-majeure/{notice_id}/end contracts.EndForceMajeure
POST /v1/contracts/{contract_id}/force-majeure/{notice_id}/contest contracts.ContestForceMajeure
PATCH /v1/contracts/{contract_id} contracts.UpdateContract
POST /v1/contracts/{contract_id}/submit contracts.SubmitContract
POST /v1/contracts/{contract_id}/counter contracts.CounterContract
POST /v1/contracts/{contract_id}/decline contracts.DeclineContract
POST /v1/contracts/{contract_id}/fixations contracts.FixPrice
GET /v1/contracts/{contract_id}/fixations contracts.ListFixations
POST /v1/contracts/{contract_id}/firm-offers contracts.CreateFirmOffer
GET /v1/contracts/{contract_id}/firm-offers contracts.ListFirmOffers
DELETE /v1/contracts/{contract_id}/firm-offers/{firm_offer_id} contracts.CancelFirmOffer
POST /v1/contracts/{contract_id}/default contracts.DeclareDefault
POST /v1/contracts/{contract_id}/remedy contracts.ChooseRemedy
POST /v1/contracts/{contract_id}/washout contracts.ProposeWashout
POST /v1/contracts/{contract_id}/washout/{washout_id}/accept contracts.AcceptWashout
POST /v1/contracts/{contract_id}/settlement-preview contracts.PreviewSettlement
POST /v1/contracts/{contract_id}/statements contracts.IssueStatement
GET /v1/contracts/{contract_id}/statements contracts.ListStatements
POST /v1/contracts/{contract_id}/statements/{statement_id}/accept contracts.AcceptStatement
GET /v1/contracts/{contract_id}/signing-payload contracts.GetSigningPayload
GET /v1/contracts/{contract_id}/document contracts.RenderDocument
GET /v1/contracts/{contract_id}/verify contracts.VerifyContract
GET /v1/contracts/verify contracts.VerifyContractByHash
GET /v1/contract-templates contracts.ListTemplates
GET /v1/contract-templates/{code} contracts.GetTemplate
POST /v1/deliveries/{delivery_id}/weigh-in contracts.WeighIn
POST /v1/deliveries/{delivery_id}/grade contracts.GradeDelivery
POST /v1/deliveries/{delivery_id}/weigh-out contracts.WeighOut
GET /v1/blockchain/transactions/{hash} blockchain.GetTransaction
GET /v1/blockchain/operations blockchain.ListChainOperations
POST /v1/blockchain/operations/{operation_id}/retry blockchain.RetryChainOperation
GET /v1/blockchain/status blockchain.GetChainStatus
GET /v1/ai/forecast/chart ai.GetForecastChart
POST /v1/ai/sell-advice ai.SuggestSellTime
GET /v1/ai/runs/{run_id} ai.GetTrainingRun
GET /v1/ai/runs/{run_id}/stream ai.WatchTrainingRun
POST /v1/ai/runs/{run_id}/cancel ai.CancelTrainingRun
GET /v1/ai/models ai.ListModels
POST /v1/ai/models/{model_id}/promote ai.PromoteModel
GET /v1/events/notifications notifications.StreamNotificationEvents
POST /v1/notifications/read-all notifications.MarkAllRead
GET /v1/notifications/unread-count notifications.GetUnreadCount
GET /v1/users/me/notification-preferences notifications.GetNotificationPreferences
PUT /v1/users/me/notification-preferences notifications.UpdateNotificationPreferences
POST /v1/webhooks notifications.CreateWebhook
GET /v1/webhooks notifications.ListWebhooks
PATCH /v1/webhooks/{webhook_id} notifications.UpdateWebhook
DELETE /v1/webhooks/{webhook_id} notifications.DeleteWebhook
POST /v1/webhooks/{webhook_id}/test notifications.TestWebhook
POST /v1/webhooks/{webhook_id}/rotate notifications.RotateWebhookSecret
GET /v1/webhooks/{webhook_id}/deliveries notifications.ListWebhookDeliveries
POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver notifications.RedeliverWebhook
GET /v1/admin/stream admin.WatchAdminEvents
GET /v1/announcements admin.ListAnnouncements
GET /v1/admin/announcements admin.ListAllAnnouncements
POST /v1/admin/announcements admin.CreateAnnouncement
PATCH /v1/admin/announcements/{announcement_id} admin.UpdateAnnouncement
DELETE /v1/admin/announcements/{announcement_id} admin.DeleteAnnouncement
GET /v1/admin/audit-logs/export admin.ExportAuditLogs
GET /v1/admin/audit-logs/verify admin.VerifyAuditChain
GET /v1/admin/system-config admin.GetSystemConfig
GET /v1/admin/system-config/{key}/history admin.GetConfigHistory
POST /v1/admin/system-config/{key}/rollback admin.RollbackConfig
POST /v1/admin/market/halt admin.Halt
POST /v1/admin/market/resume admin.Resume
POST /v1/admin/market/kill admin.KillUser
POST /v1/admin/market/mass-cancel admin.MassCancel
POST /v1/admin/trades/{trade_id}/bust admin.BustTrade
POST /v1/admin/trades/{trade_id}/correct admin.CorrectTrade
POST /v1/admin/instruments admin.CreateInstrument
PATCH /v1/admin/instruments/{symbol} admin.UpdateInstrument
GET /v1/admin/instruments admin.ListAdminInstruments
POST /v1/admin/instruments/{symbol}/delist admin.DelistInstrument
POST /v1/admin/instruments/{symbol}/price-limits admin.SetPriceLimits
POST /v1/admin/instruments/{symbol}/settlement-price admin.SetSettlementPrice
POST /v1/admin/cache/purge admin.PurgeCache
GET /v1/admin/cache admin.GetCacheStats
GET /v1/admin/jobs admin.ListJobs
GET /v1/admin/jobs/{job_id} admin.GetJob
POST /v1/admin/jobs/{job_id}/retry admin.RetryJob
POST /v1/admin/jobs/{job_id}/cancel admin.CancelJob
POST /v1/admin/jobs/queues/{queue}/pause admin.PauseQueue
POST /v1/admin/reports admin.CreateReport
GET /v1/admin/reports admin.ListReports
GET /v1/admin/reports/{report_id} admin.GetReport
GET /v1/admin/reports/{report_id}/file admin.DownloadReport
GET /docs/{page} health.GetDocs
"""

# RPCs that browsers and REST clients can't use.
GRPC_ONLY: Final = frozenset({"trading.OrderSession"})

Row = tuple[str, str, str]


def _rows(table: str) -> set[Row]:
    rows = [tuple(line.split()) for line in table.strip().splitlines()]
    assert len(rows) == len(set(rows)), "A row is written twice."
    return {(method, path, rpc) for method, path, rpc in rows}


def _rpcs() -> Iterator[tuple[str, MethodDescriptor]]:
    for module in pkgutil.walk_packages(api.__path__, f"{api.__name__}."):
        if not module.name.endswith("_pb2"):
            continue
        file = importlib.import_module(module.name).DESCRIPTOR
        for service in file.services_by_name.values():
            for method in service.methods:
                yield f"{file.package.split('.')[2]}.{method.name}", method


def _http(method: MethodDescriptor) -> http_pb2.HttpRule:
    return method.GetOptions().Extensions[annotations_pb2.http]


def _bindings(method: MethodDescriptor) -> Iterator[tuple[str, str]]:
    rule = _http(method)
    for binding in (rule, *rule.additional_bindings):
        verb = binding.WhichOneof("pattern")
        if verb is not None:
            yield verb.upper(), getattr(binding, verb)


@pytest.fixture(scope="module")
def described() -> set[Row]:
    return {(verb, path, rpc) for rpc, method in _rpcs() for verb, path in _bindings(method)}


def test_every_fixed_row_is_described(described: set[Row]) -> None:
    assert _rows(FIXED_ROWS) - described == set()


def test_every_further_row_is_described(described: set[Row]) -> None:
    assert _rows(FURTHER_ROWS) - described == set()


def test_every_described_row_is_in_the_table(described: set[Row]) -> None:
    assert described - _rows(FIXED_ROWS) - _rows(FURTHER_ROWS) == set()


def test_every_rpc_has_a_path() -> None:
    without = {rpc for rpc, method in _rpcs() if not list(_bindings(method))}
    assert without == GRPC_ONLY


def test_no_reply_is_flattened() -> None:
    # Envoy's transcoder does not start with a response_body that is not an HttpBody.
    flattened = {rpc for rpc, method in _rpcs() if _http(method).response_body}
    assert flattened == set()


def test_no_two_rpcs_share_a_path(described: set[Row]) -> None:
    paths = [(verb, _shape(path)) for verb, path, _ in described]
    assert len(paths) == len(set(paths))


def _shape(path: str) -> str:
    """Returns a path with its variables made alike: their names do not tell requests apart."""
    parts = path.split("/")
    return "/".join("{}" if part.startswith("{") else part for part in parts)
