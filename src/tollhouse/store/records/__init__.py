"""Rows, one noun a file. Importing this package declares every table in `Base.metadata`."""

from tollhouse.store.records.api_key import ApiKeyRecord
from tollhouse.store.records.archived_day import ArchivedDayRecord
from tollhouse.store.records.audit_entry import AuditEntryRecord
from tollhouse.store.records.background import BackgroundRecord, ResponseEventsRecord
from tollhouse.store.records.base import Base
from tollhouse.store.records.batch import BatchLineRecord, BatchRecord, BatchResultRecord
from tollhouse.store.records.budget import BudgetRecord, BudgetWindowRecord
from tollhouse.store.records.budget_alert import BudgetAlertDeliveryRecord, BudgetAlertRecord
from tollhouse.store.records.change_counter import ChangeCounterRecord
from tollhouse.store.records.conversation import ConversationItemRecord, ConversationRecord
from tollhouse.store.records.daily_usage import (
    DailyEndUserUsageRecord,
    DailyUsageRecord,
    HourlyUsageRecord,
    PartHourUsageRecord,
    RolledDayRecord,
)
from tollhouse.store.records.deployment import DeploymentRecord
from tollhouse.store.records.failed_request import FailedRequestRecord
from tollhouse.store.records.file import FileRecord
from tollhouse.store.records.forgetting import ForgettingRecord
from tollhouse.store.records.handover import HANDOVER, HandoverRecord
from tollhouse.store.records.hold import HoldRecord
from tollhouse.store.records.idempotency_record import IdempotencyRecord
from tollhouse.store.records.identity import IdentityRecord
from tollhouse.store.records.lease import LeaseRecord
from tollhouse.store.records.ledger_entry import LedgerRecord
from tollhouse.store.records.limit import LimitRecord
from tollhouse.store.records.link import LinkRecord
from tollhouse.store.records.membership import MembershipRecord
from tollhouse.store.records.model import ModelRecord
from tollhouse.store.records.payload import PayloadRecord
from tollhouse.store.records.price_terms import PriceTermsRecord
from tollhouse.store.records.process_instance import ProcessInstanceRecord
from tollhouse.store.records.provider import ProviderRecord
from tollhouse.store.records.provider_key import ProviderKeyRecord
from tollhouse.store.records.refresh_token import RefreshTokenRecord
from tollhouse.store.records.report_delivery import ReportDeliveryRecord
from tollhouse.store.records.response import ResponseItemRecord, ResponseRecord
from tollhouse.store.records.route import RouteRecord
from tollhouse.store.records.schedule import ScheduleRecord, ScheduleRunRecord
from tollhouse.store.records.server_secret import ServerSecretRecord
from tollhouse.store.records.sign_in_attempt import SignInAttemptRecord
from tollhouse.store.records.spent_state import SpentStateRecord
from tollhouse.store.records.team import TeamRecord
from tollhouse.store.records.trouble import ProbeRecord, TroubleDeliveryRecord, TroubleRecord
from tollhouse.store.records.user import UserRecord
from tollhouse.store.records.webhook import WebhookDeliveryRecord, WebhookRecord, WebhookSecretRecord

__all__ = [
    "HANDOVER",
    "ApiKeyRecord",
    "ArchivedDayRecord",
    "AuditEntryRecord",
    "BackgroundRecord",
    "Base",
    "BatchLineRecord",
    "BatchRecord",
    "BatchResultRecord",
    "BudgetAlertDeliveryRecord",
    "BudgetAlertRecord",
    "BudgetRecord",
    "BudgetWindowRecord",
    "ChangeCounterRecord",
    "ConversationItemRecord",
    "ConversationRecord",
    "DailyEndUserUsageRecord",
    "DailyUsageRecord",
    "DeploymentRecord",
    "FailedRequestRecord",
    "FileRecord",
    "ForgettingRecord",
    "HandoverRecord",
    "HoldRecord",
    "HourlyUsageRecord",
    "IdempotencyRecord",
    "IdentityRecord",
    "LeaseRecord",
    "LedgerRecord",
    "LimitRecord",
    "LinkRecord",
    "MembershipRecord",
    "ModelRecord",
    "PartHourUsageRecord",
    "PayloadRecord",
    "PriceTermsRecord",
    "ProbeRecord",
    "ProcessInstanceRecord",
    "ProviderKeyRecord",
    "ProviderRecord",
    "RefreshTokenRecord",
    "ReportDeliveryRecord",
    "ResponseEventsRecord",
    "ResponseItemRecord",
    "ResponseRecord",
    "RolledDayRecord",
    "RouteRecord",
    "ScheduleRecord",
    "ScheduleRunRecord",
    "ServerSecretRecord",
    "SignInAttemptRecord",
    "SpentStateRecord",
    "TeamRecord",
    "TroubleDeliveryRecord",
    "TroubleRecord",
    "UserRecord",
    "WebhookDeliveryRecord",
    "WebhookRecord",
    "WebhookSecretRecord",
]
