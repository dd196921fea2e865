//! Tests with a complete template.

use std::time::Duration;

use super::*;

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters:
  JwtIssuer: {Type: String, Default: ""}
  SocketStageName: {Type: String, Default: live}
  SecretArn: {Type: String}
Globals:
  Function:
    Timeout: 10
    Environment:
      Variables:
        TABLE_NAME: !Ref Table
        SOCKET_ENDPOINT: !Sub "https://${SocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${SocketStage}"
        JWT_SECRET: !Sub "{{resolve:secretsmanager:${Secret}:SecretString}}"
        JWT_ISSUER: !Ref JwtIssuer
        OTHER_SECRET: !Sub "{{resolve:secretsmanager:${SecretArn}}}"
        UNSET: !Ref SecretArn
Resources:
  Secret: {Type: "AWS::SecretsManager::Secret"}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
  HttpApi:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: {AllowOrigins: ["*"], AllowHeaders: [authorization], MaxAge: 600}
  UsersGetMeFunction:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: users-get-me}}
    Properties:
      Timeout: 5
      Environment: {Variables: {RUST_LOG: info}}
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref HttpApi, Path: /api/v1/users/me, Method: get}}
  NotFoundFunction:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: not-found}}
    Properties:
      Events:
        All: {Type: HttpApi, Properties: {ApiId: !Ref HttpApi}}
        Stream: {Type: DynamoDB, Properties: {Stream: !GetAtt Table.StreamArn}}
  SocketAuthorizeFunction:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: socket-authorize}}
  SocketApi:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: sockets, ProtocolType: WEBSOCKET, RouteSelectionExpression: "$request.body.type"}
  SocketStage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref SocketApi, StageName: !Ref SocketStageName, AutoDeploy: true}
  Authorizer:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref SocketApi
      AuthorizerType: REQUEST
      AuthorizerUri: !Sub "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${SocketAuthorizeFunction.Arn}/invocations"
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref SocketApi
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${NotFoundFunction.Arn}/invocations"
  ConnectRoute:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref SocketApi
      RouteKey: $connect
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Authorizer
      Target: !Sub "integrations/${Integration}"
"#;

fn parse(text: &str, parameters: &[(&str, &str)]) -> Result<Template> {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Template::parse(text, &parameters.collect())
}

#[test]
fn a_template_is_read_into_functions_routes_sockets_and_tables() {
    let template = parse(TEMPLATE, &[]).unwrap();
    let me = &template.functions["UsersGetMeFunction"];
    assert_eq!((me.binary.as_str(), me.timeout), ("users-get-me", Duration::from_secs(5)));
    assert_eq!(template.functions["NotFoundFunction"].timeout, Duration::from_secs(10));
    assert_eq!(me.environment["TABLE_NAME"], "Table");
    assert_eq!(me.environment["RUST_LOG"], "info");
    assert!(!template.functions["NotFoundFunction"].environment.contains_key("RUST_LOG"));

    assert_eq!(template.http.id, "HttpApi");
    let keys: Vec<_> = template.http.routes.iter().map(|route| route.key.clone()).collect();
    assert!(keys.contains(&None));
    assert!(keys.contains(&Some((Verb::Only("GET".into()), "/api/v1/users/me".into()))));
    assert_eq!(template.http.cors.as_ref().unwrap().max_age, Some(600));

    let socket = template.socket.as_ref().unwrap();
    assert_eq!((socket.stage.as_str(), socket.selection.as_slice()), ("live", &["type".to_owned()][..]));
    assert_eq!(socket.routes["$connect"].function, "NotFoundFunction");
    assert_eq!(socket.authorizer.as_ref().unwrap().function, "SocketAuthorizeFunction");
    assert!(socket.authorizer.as_ref().unwrap().identity_sources.is_empty());

    assert_eq!(template.tables[0].ttl_attribute.as_deref(), Some("expires_at"));
    assert_eq!(template.notices.len(), 1, "the ignored stream has a notice: {:?}", template.notices);
}

#[test]
fn hosts_and_secrets_are_replaced_by_those_of_the_stack() {
    let template = parse(TEMPLATE, &[]).unwrap();
    let values = RuntimeValues {
        http: "http://127.0.0.1:3000".into(),
        management: "http://127.0.0.1:3001".into(),
        secret: "s3cret".into(),
    };
    let environment = &template.functions["NotFoundFunction"].environment;
    let resolved = |name: &str| template.resolve(&environment[name], &values).unwrap();
    assert_eq!(resolved("SOCKET_ENDPOINT"), "http://127.0.0.1:3001/live");
    assert_eq!(resolved("JWT_SECRET"), "s3cret");
    assert_eq!(resolved("JWT_ISSUER"), "");
    assert_eq!(
        resolved("JWT_SECRET"),
        resolved("OTHER_SECRET"),
        "a reference with a parameter without default"
    );
    assert!(template.resolve("{{resolve:ssm:/a}}", &values).is_err());
    assert!(template.resolve(&environment["UNSET"], &values).is_err());
}

#[test]
fn unsupported_features_and_unknown_references_are_rejected() {
    for (from, to, reason) in [
        ("$request.body.type", "$request.header.type", "cannot select routes"),
        ("AuthorizerType: REQUEST", "AuthorizerType: JWT", "REQUEST authorizers"),
        ("IntegrationType: AWS_PROXY", "IntegrationType: MOCK", "AWS_PROXY"),
        ("Method: get", "Method: get, PayloadFormatVersion: '1.0'", "payload format"),
        ("BuildProperties: {Binary: not-found}", "Nothing: 1", "Binary"),
        ("TABLE_NAME: !Ref Table", "TABLE_NAME: !Ref Tabel", "no parameter and no resource named Tabel"),
    ] {
        let error = parse(&TEMPLATE.replace(from, to), &[]).unwrap_err();
        assert!(format!("{error:#}").contains(reason), "{error:#}");
    }
}

#[test]
fn the_template_of_the_project_is_supported() {
    let template =
        Template::read(&crate::options::project_root().join("template.yaml"), &BTreeMap::new()).unwrap();
    assert!(template.functions.contains_key("UsersGetMeFunction"));
    assert!(template.socket.is_some() && !template.tables.is_empty());
}

#[test]
fn a_misspelt_name_is_rejected_with_the_name_that_was_meant() {
    for (from, to, reason) in [
        ("Type: AWS::DynamoDB::Table", "Type: AWS::DynamoDB::Tabel", "do you mean AWS::DynamoDB::Table?"),
        ("Type: AWS::DynamoDB::Table", "Type: AWS::Dynamo::Table", "do you mean AWS::DynamoDB::Table?"),
        (
            "Type: AWS::ApiGatewayV2::Route",
            "Type: AWS::ApiGatewayV2::Rout",
            "AWS::ApiGatewayV2::Rout is unknown",
        ),
        ("Type: AWS::ApiGatewayV2::Stage", "Type: Stage", "the type Stage is unknown"),
        ("TimeToLiveSpecification:", "TimeToLiveSpecificaton:", "do you mean TimeToLiveSpecification?"),
        ("AttributeName: expires_at", "AtributeName: expires_at", "do you mean AttributeName?"),
        ("Timeout: 5", "TimeOut: 5", "do you mean Timeout?"),
        ("Timeout: 10", "Timout: 10", "Globals Function: the property Timout"),
        ("MaxAge: 600", "MaxAgee: 600", "CorsConfiguration: the property MaxAgee"),
        ("Environment: {Variables:", "Environment: {Variable:", "the property Variable is unknown"),
        ("Method: get", "Methode: get", "event Get: the property Methode"),
        ("Get: {Type: HttpApi", "Get: {Type: HttpApy", "do you mean HttpApi?"),
        ("Resources:\n", "Resourcs:\n", "do you mean Resources?"),
        ("    Metadata: {BuildMethod", "    Metdata: {BuildMethod", "do you mean Metadata?"),
    ] {
        let error = format!("{:#}", parse(&TEMPLATE.replacen(from, to, 1), &[]).unwrap_err());
        assert!(error.contains(reason), "{to}: {error}");
    }
}

#[test]
fn a_parameter_replaces_its_default() {
    let with = |parameters: &[(&str, &str)]| parse(TEMPLATE, parameters);
    let issuer =
        |template: Template| template.functions["NotFoundFunction"].environment["JWT_ISSUER"].clone();
    assert_eq!(issuer(with(&[("JwtIssuer", "https://a.example")]).unwrap()), "https://a.example");
    let stage = with(&[("SocketStageName", "test")]).unwrap().socket.unwrap().stage;
    assert_eq!(stage, "test");
    let error = with(&[("JwtIsuer", "x")]).unwrap_err();
    assert_eq!(error.to_string(), "the template has no parameter JwtIsuer; do you mean JwtIssuer?");
}

#[test]
fn the_template_of_the_project_rejects_bad_values_of_parameters() {
    let path = crate::options::project_root().join("template.yaml");
    let read = |name: &str, value: &str| {
        Template::read(&path, &BTreeMap::from([(name.to_owned(), value.to_owned())]))
    };
    for (name, value) in
        [("AllowedOrigins", "https://a.example"), ("RateLimits", "off"), ("LogRetentionDays", "7")]
    {
        assert!(read(name, value).is_ok(), "{name}={value}");
    }
    for (name, value, reason) in [
        ("RateLimits", "messages=many", "must be of the form name=count/seconds"),
        ("LogRetentionDays", "2", "must be one of 1, 3, 5"),
        ("LogRetentionDays", "week", "must be a number"),
        ("JwtSecretArn", "", "must have at least 1 characters"),
        ("JwtSecretArn", "none", "no user can sign in"),
    ] {
        let error = format!("{:#}", read(name, value).unwrap_err());
        assert!(error.contains(reason), "{name}={value}: {error}");
    }
}
