//! Every error librdkafka can report, and what becomes of the connector: one table, shown by `whydunit check --errors`.

use std::fmt;

use rdkafka::types::RDKafkaErrorCode::{self as Code, *};

use super::native::{error_name, error_text};
use super::options::Options;
use super::trouble::class;

/// How long an error is expected to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasting {
    /// Part of ordinary operation, repaired by the client itself: not reported.
    Passing,
    /// Reported; tried again until it is over, with nothing lost.
    Transient,
    /// Reported; only a person can help: the connector stops until it is reset.
    Permanent,
}

/// What an error is called, what class of trouble it is, and how long it lasts unless the settings say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorClass {
    pub code: Code,
    pub class: &'static str,
    pub lasting: Lasting,
}

impl ErrorClass {
    /// The name librdkafka and Kafka's documentation use; librdkafka's own errors begin with `_`.
    pub fn name(&self) -> &'static str {
        error_name(self.code)
    }
}

type Group = (&'static str, Lasting, &'static [Code]);

/// Codes in groups that share class and fate, the most frequent first.
const GROUPS: &[Group] = &[
    (
        class::BROKER_UNREACHABLE,
        Lasting::Passing,
        // Single connections come and go; all of them down is told.
        &[BrokerTransportFailure, Resolve, OperationTimedOut, TimedOutQueue, NetworkException, RequestTimedOut, MessageTimedOut],
    ),
    (class::BROKER_UNREACHABLE, Lasting::Transient, &[AllBrokersDown, BrokerNotAvailable, UnknownBroker, RebootstrapRequired]),
    (
        class::AUTHENTICATION_FAILED,
        Lasting::Transient,
        &[
            Authentication,
            SaslAuthenticationFailed,
            UnsupportedSASLMechanism,
            IllegalSASLState,
            DelegationTokenAuthDisabled,
            DelegationTokenNotFound,
            DelegationTokenOwnerMismatch,
            DelegationTokenRequestNotAllowed,
            DelegationTokenAuthorizationFailed,
            DelegationTokenExpired,
            InvalidPrincipalType,
            UnacceptableCredential,
            PrincipalDeserializationFailure,
            SecurityDisabled,
        ],
    ),
    (class::TLS_FAILED, Lasting::Transient, &[SSL]),
    (
        class::NOT_AUTHORIZED,
        Lasting::Transient,
        &[TopicAuthorizationFailed, GroupAuthorizationFailed, ClusterAuthorizationFailed, TransactionalIdAuthorizationFailed],
    ),
    (class::UNKNOWN_TOPIC, Lasting::Transient, &[UnknownTopicOrPartition, UnknownTopic, UnknownPartition, InvalidTopic, UnknownTopicId]),
    // Placed anew by the consumer, and told as a gap or another topic.
    (class::OFFSET_OUT_OF_RANGE, Lasting::Passing, &[OffsetOutOfRange, AutoOffsetReset, LogTruncation, NoOffset]),
    (class::FENCED, Lasting::Permanent, &[FencedInstanceId, Fenced, UnreleasedInstanceId]),
    (class::GROUP_REFUSED, Lasting::Permanent, &[InconsistentGroupProtocol, InvalidGroupId, InvalidSessionTimeout, UnsupportedAssignor]),
    (class::GROUP_REFUSED, Lasting::Transient, &[GroupMaxSizeReached, GroupIdNotFound, GroupSubscribedToTopic, NonEmptyGroup]),
    (
        class::GROUP_REFUSED,
        Lasting::Passing,
        // Joined again by the client.
        &[
            CoordinatorLoadInProgress,
            CoordinatorNotAvailable,
            NotCoordinator,
            WaitingForCoordinator,
            RebalanceInProgress,
            IllegalGeneration,
            UnknownMemberId,
            MemberIdRequired,
            FencedMemberEpoch,
            StaleMemberEpoch,
            AssignmentLost,
            PollExceeded,
            UnstableOffsetCommit,
            UnknownGroup,
        ],
    ),
    (
        class::BROKER_ERROR,
        Lasting::Passing,
        // The partition's leader moves or catches up.
        &[
            LeaderNotAvailable,
            NotLeaderForPartition,
            ReplicaNotAvailable,
            FencedLeaderEpoch,
            UnknownLeaderEpoch,
            OffsetNotAvailable,
            PreferredLeaderNotAvailable,
            EligibleLeadersNotAvailable,
            ElectionNotNeeded,
            ReassignmentInProgress,
            NoReassignmentInProgress,
            FetchSessionIdNotFound,
            InvalidFetchSessionEpoch,
            StaleBrokerEpoch,
            StaleControllerEpoch,
            NotController,
            ThrottlingQuotaExceeded,
            UnknownSubscriptionId,
            TelemetryTooLarge,
        ],
    ),
    (
        class::BROKER_ERROR,
        Lasting::Transient,
        &[
            Unknown,
            KafkaStorageError,
            LogDirNotFound,
            ListenerNotFound,
            InvalidMessage,
            InvalidMessageSize,
            MessageSizeTooLarge,
            MessageBatchTooLarge,
            InvalidRecord,
            InvalidTimestamp,
            UnsupportedCompressionType,
            UnsupportedForMessageFormat,
            UnsupportedVersion,
            InvalidRequest,
            InvalidConfig,
            PolicyViolation,
            OffsetMetadataTooLarge,
            InvalidCommitOffsetSize,
            OperationNotAttempted,
            ResourceNotFound,
            DuplicateResource,
            InconsistentVoterSet,
            InvalidUpdateVersion,
            FeatureUpdateFailed,
        ],
    ),
    // Of producers, transactions and administration: never met by a consumer, and no reason to stop one.
    (
        class::BROKER_ERROR,
        Lasting::Transient,
        &[
            NotEnoughReplicas,
            NotEnoughReplicasAfterAppend,
            InvalidRequiredAcks,
            TopicAlreadyExists,
            InvalidPartitions,
            InvalidReplicationFactor,
            InvalidReplicaAssignment,
            TopicDeletionDisabled,
            OutOfOrderSequenceNumber,
            DuplicateSequenceNumber,
            InvalidProducerEpoch,
            InvalidTransactionalState,
            InvalidProducerIdMapping,
            InvalidTransactionTimeout,
            ConcurrentTransactions,
            TransactionCoordinatorFenced,
            UnknownProducerId,
            ProducerFenced,
        ],
    ),
    (class::CLIENT_ERROR, Lasting::Permanent, &[Fatal, UnsupportedFeature, NotImplemented, NotConfigured, InvalidArgument]),
    (
        class::CLIENT_ERROR,
        Lasting::Transient,
        &[
            BadMessage,
            BadCompression,
            Fail,
            CriticalSystemResource,
            FileSystem,
            UnknownProtocol,
            Underflow,
            Partial,
            Inconsistent,
            InvalidType,
            InvalidDifferentRecord,
            Application,
            Conflict,
            ExistingSubscription,
            State,
            ReadOnly,
            NoEnt,
            QueueFull,
            ISRInsufficient,
            GaplessGuarantee,
            KeySerialization,
            ValueSerialization,
            KeyDeserialization,
            ValueDeserialization,
        ],
    ),
    (
        class::CLIENT_ERROR,
        Lasting::Passing,
        &[
            NoError,
            PartitionEOF,
            BrokerDestroy,
            DestroyBroker,
            NodeUpdate,
            InProgress,
            PreviousInProgress,
            AssignPartitions,
            RevokePartitions,
            Outdated,
            WaitCache,
            Interrupted,
            Retry,
            PurgeQueue,
            PurgeInflight,
            Noop,
        ],
    ),
];

/// The whole table, by class.
pub fn table() -> impl Iterator<Item = ErrorClass> {
    GROUPS.iter().flat_map(|(class, lasting, codes)| codes.iter().map(|code| ErrorClass { code: *code, class, lasting: *lasting }))
}

/// Class and fate of an error; one a later librdkafka invents is a transient error of the broker.
pub fn error_class(code: Code) -> ErrorClass {
    table().find(|known| known.code == code).unwrap_or(ErrorClass { code, class: class::BROKER_ERROR, lasting: Lasting::Transient })
}

/// The error of that name, as `TOPIC_AUTHORIZATION_FAILED` or `_ALL_BROKERS_DOWN`.
pub fn error_named(name: &str) -> Option<ErrorClass> {
    table().find(|known| known.name() == name)
}

/// The table as these settings have it, for a person.
pub fn report(options: &Options) -> String {
    let mut lines = vec![
        "passing    repaired by the client, not reported".to_owned(),
        "transient  reported, tried again until it is over; nothing is lost. kafka.transient_errors adds to these".to_owned(),
        "permanent  reported, the connector stops until a person resets it. kafka.permanent_errors adds to these".to_owned(),
        String::new(),
    ];
    let mut class = "";
    for known in table().map(|known| options.error_class(known.code)) {
        if known.class != class {
            class = known.class;
            lines.push(format!("{class}: {}", class::meaning(class)));
        }
        lines.push(format!("  {:<11}{:<40}{}", known.lasting, known.name(), error_text(known.code)));
    }
    lines.join("\n") + "\n"
}

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passing => "passing",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
        })
    }
}
