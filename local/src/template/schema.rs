//! Checks the names in a template: sections, resource types and properties. CloudFormation would reject a misspelt
//! name only during a deployment, and the stack would ignore it.

use anyhow::{Context, Result, bail};
use serde_json::Value;

const SECTIONS: &str = "AWSTemplateFormatVersion Conditions Description Globals Hooks Mappings Metadata Outputs \
                        Parameters Resources Rules Transform";
const RESOURCE: &str = "Condition Connectors CreationPolicy DeletionPolicy DependsOn IgnoreGlobals Metadata Properties \
                        Type UpdatePolicy UpdateReplacePolicy";
const GLOBALS: &str =
    "Api CapacityProvider Function HttpApi LayerVersion SimpleTable StateMachine WebSocketApi";

/// The types whose properties are checked. Their namespaces are known completely: see [`OTHER_TYPES`].
const TYPES: [(&str, &str); 13] = [
    ("AWS::Serverless::Function", FUNCTION),
    ("AWS::Serverless::HttpApi", HTTP_API),
    (
        "AWS::DynamoDB::Table",
        "AttributeDefinitions BillingMode ContributorInsightsSpecification DeletionProtectionEnabled \
         GlobalSecondaryIndexes GlobalTableSettingsReplicationMode ImportSourceSpecification KeySchema \
         KinesisStreamSpecification LocalSecondaryIndexes OnDemandThroughput PointInTimeRecoverySpecification \
         ProvisionedThroughput ResourcePolicy SSESpecification StreamSpecification TableClass TableName Tags \
         TimeToLiveSpecification WarmThroughput",
    ),
    (
        "AWS::ApiGatewayV2::Api",
        "ApiKeySelectionExpression BasePath Body BodyS3Location CorsConfiguration CredentialsArn Description \
         DisableExecuteApiEndpoint DisableSchemaValidation FailOnWarnings IpAddressType Name ProtocolType RouteKey \
         RouteSelectionExpression Tags Target Version",
    ),
    (
        "AWS::ApiGatewayV2::Stage",
        "AccessLogSettings AccessPolicyId ApiId AutoDeploy ClientCertificateId DefaultRouteSettings DeploymentId \
         Description RouteSettings StageName StageVariables Tags",
    ),
    (
        "AWS::ApiGatewayV2::Route",
        "ApiId ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId ModelSelectionExpression \
         OperationName RequestModels RequestParameters RouteKey RouteResponseSelectionExpression Target",
    ),
    (
        "AWS::ApiGatewayV2::Integration",
        "ApiId ConnectionId ConnectionType ContentHandlingStrategy CredentialsArn Description IntegrationMethod \
         IntegrationSubtype IntegrationType IntegrationUri PassthroughBehavior PayloadFormatVersion \
         RequestParameters RequestTemplates ResponseParameters TemplateSelectionExpression TimeoutInMillis TlsConfig",
    ),
    (
        "AWS::ApiGatewayV2::Authorizer",
        "ApiId AuthorizerCredentialsArn AuthorizerPayloadFormatVersion AuthorizerResultTtlInSeconds AuthorizerType \
         AuthorizerUri EnableSimpleResponses IdentitySource IdentityValidationExpression JwtConfiguration Name",
    ),
    (
        "AWS::Lambda::Permission",
        "Action EventSourceToken FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal PrincipalOrgID \
         SourceAccount SourceArn",
    ),
    (
        "AWS::Logs::LogGroup",
        "BearerTokenAuthenticationEnabled DataProtectionPolicy DeletionProtectionEnabled FieldIndexPolicies KmsKeyId \
         LogGroupClass LogGroupName ResourcePolicyDocument RetentionInDays Tags",
    ),
    (
        "AWS::Logs::MetricFilter",
        "ApplyOnTransformedLogs EmitSystemFieldDimensions FieldSelectionCriteria FilterName FilterPattern \
         LogGroupName MetricTransformations",
    ),
    (
        "AWS::SNS::Topic",
        "ArchivePolicy ContentBasedDeduplication DataProtectionPolicy DeliveryStatusLogging DisplayName \
         FifoThroughputScope FifoTopic KmsMasterKeyId SignatureVersion Subscription Tags TopicName TracingConfig",
    ),
    (
        "AWS::CloudWatch::Alarm",
        "ActionsEnabled AlarmActions AlarmDescription AlarmName ComparisonOperator DatapointsToAlarm Dimensions \
         EvaluateLowSampleCountPercentile EvaluationCriteria EvaluationInterval EvaluationPeriods ExtendedStatistic \
         InsufficientDataActions MetricName Metrics Namespace OKActions Period Statistic Tags Threshold \
         ThresholdMetricId TreatMissingData Unit",
    ),
];

const FUNCTION: &str = "Architectures AssumeRolePolicyDocument AutoPublishAlias AutoPublishAliasAllProperties \
    AutoPublishCodeSha256 CapacityProviderConfig CodeSigningConfigArn CodeUri DeadLetterQueue DeploymentPreference \
    Description DurableConfig Environment EphemeralStorage EventInvokeConfig Events FileSystemConfigs FunctionName \
    FunctionScalingConfig FunctionUrlConfig Handler ImageConfig ImageUri InlineCode KmsKeyArn Layers LoggingConfig \
    MemorySize PackageType PermissionsBoundary Policies PropagateTags ProvisionedConcurrencyConfig \
    PublishToLatestPublished RecursiveLoop ReservedConcurrentExecutions Role RolePath Runtime \
    RuntimeManagementConfig SnapStart SourceKMSKeyArn Tags TenancyConfig Timeout Tracing VersionDeletionPolicy \
    VersionDescription VpcConfig";
const HTTP_API: &str = "AccessLogSettings Auth CorsConfiguration DefaultRouteSettings DefinitionBody DefinitionUri \
    Description DisableExecuteApiEndpoint Domain FailOnWarnings Name PropagateTags RouteSettings StageName \
    StageVariables Tags";

/// The other types in the namespaces that the stack runs.
const OTHER_TYPES: &str = "AWS::Serverless::Api AWS::Serverless::Application AWS::Serverless::CapacityProvider \
    AWS::Serverless::Connector AWS::Serverless::GraphQLApi AWS::Serverless::LayerVersion \
    AWS::Serverless::SimpleTable AWS::Serverless::StateMachine AWS::Serverless::WebSocketApi \
    AWS::ApiGatewayV2::ApiGatewayManagedOverrides AWS::ApiGatewayV2::ApiMapping AWS::ApiGatewayV2::Deployment \
    AWS::ApiGatewayV2::DomainName AWS::ApiGatewayV2::IntegrationResponse AWS::ApiGatewayV2::Model \
    AWS::ApiGatewayV2::RouteResponse AWS::ApiGatewayV2::RoutingRule AWS::ApiGatewayV2::VpcLink \
    AWS::DynamoDB::GlobalTable";
const NAMESPACES: [&str; 3] = ["AWS::Serverless::", "AWS::ApiGatewayV2::", "AWS::DynamoDB::"];

/// The objects inside of properties that the stack reads.
const NESTED: [(&str, &str); 4] = [
    ("CorsConfiguration", "AllowCredentials AllowHeaders AllowMethods AllowOrigins ExposeHeaders MaxAge"),
    ("Environment", "Variables"),
    ("LoggingConfig", "ApplicationLogLevel LogFormat LogGroup SystemLogLevel"),
    ("TimeToLiveSpecification", "AttributeName Enabled"),
];

const EVENT_TYPES: &str = "AlexaSkill Api CloudWatchEvent CloudWatchLogs Cognito DocumentDB DynamoDB EventBridgeRule \
    HttpApi IoTRule Kinesis MQ MSK S3 SNS SQS Schedule ScheduleV2 SelfManagedKafka";
const EVENTS: [(&str, &str); 2] = [
    ("HttpApi", "ApiId Auth Method Path PayloadFormatVersion RouteSettings TimeoutInMillis"),
    ("Schedule", "DeadLetterConfig Description Enabled Input Name RetryPolicy Schedule State"),
];

/// How similar an unlisted name must be to a listed one to count as misspelt, from 0 to 1.
const SIMILARITY: f64 = 0.85;

/// Checks all names.
///
/// # Errors
/// If a name is unknown, with the name that was probably meant.
pub fn check(root: &Value) -> Result<()> {
    check_names(root, SECTIONS, "section")?;
    check_names(&root["Globals"], GLOBALS, "section of Globals")?;
    for (section, properties) in [("Function", FUNCTION), ("HttpApi", HTTP_API)] {
        check_properties(&root["Globals"][section], properties)
            .with_context(|| format!("Globals {section}"))?;
    }
    for (id, resource) in root["Resources"].as_object().into_iter().flatten() {
        check_resource(resource).with_context(|| format!("resource {id}"))?;
    }
    Ok(())
}

fn check_resource(resource: &Value) -> Result<()> {
    check_names(resource, RESOURCE, "attribute")?;
    let kind = resource["Type"].as_str().context("its Type is missing")?;
    let known = TYPES.iter().map(|(kind, _)| *kind).chain(OTHER_TYPES.split_whitespace());
    let is_listed = known.clone().any(|listed| listed == kind);
    let is_complete = NAMESPACES.iter().any(|namespace| kind.starts_with(namespace));
    let is_type =
        kind.split("::").filter(|part| !part.is_empty()).count() >= 3 || kind.starts_with("Custom::");
    let similar = similar(kind, known);
    if !is_listed && (is_complete || !is_type || similar.is_some()) {
        bail!("the type {kind} is unknown{}", hint(similar));
    }
    let Some((_, properties)) = TYPES.iter().find(|(listed, _)| *listed == kind) else { return Ok(()) };
    check_properties(&resource["Properties"], properties)?;
    for (name, event) in resource["Properties"]["Events"].as_object().into_iter().flatten() {
        check_event(event).with_context(|| format!("event {name}"))?;
    }
    Ok(())
}

fn check_event(event: &Value) -> Result<()> {
    check_names(event, "Properties Type", "attribute")?;
    let kind = event["Type"].as_str().context("its Type is missing")?;
    if !EVENT_TYPES.split_whitespace().any(|listed| listed == kind) {
        bail!("the type {kind} is unknown{}", hint(similar(kind, EVENT_TYPES.split_whitespace())));
    }
    match EVENTS.iter().find(|(listed, _)| *listed == kind) {
        Some((_, properties)) => check_names(&event["Properties"], properties, "property"),
        None => Ok(()),
    }
}

fn check_properties(properties: &Value, listed: &str) -> Result<()> {
    check_names(properties, listed, "property")?;
    for (name, listed) in NESTED {
        check_names(&properties[name], listed, "property").with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// Checks the names in an object, unless a function returns it.
fn check_names(object: &Value, listed: &str, what: &str) -> Result<()> {
    for name in object.as_object().into_iter().flatten().map(|(name, _)| name) {
        let is_function = name.starts_with("Fn::") || name == "Ref";
        if !is_function && !listed.split_whitespace().any(|listed| listed == name) {
            bail!("the {what} {name} is unknown{}", hint(similar(name, listed.split_whitespace())));
        }
    }
    Ok(())
}

fn similar<'a>(name: &str, listed: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rated = listed.map(|listed| (strsim::normalized_levenshtein(name, listed), listed));
    let best = rated.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(similarity, _)| *similarity >= SIMILARITY).map(|(_, listed)| listed)
}

/// The end of a sentence about an unknown name.
pub fn suggestion<'a>(name: &str, listed: impl Iterator<Item = &'a str>) -> String {
    hint(similar(name, listed))
}

fn hint(similar: Option<&str>) -> String {
    similar.map(|similar| format!("; do you mean {similar}?")).unwrap_or_default()
}
