//! What tests/real-functions asks of a function, on lambda_runtime.
use lambda_runtime::{
    service_fn,
    streaming::{channel, Body, Response},
    Error, LambdaEvent,
};
use serde_json::{json, Value};
use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, SystemTime},
};

fn post(id: &str, body: &str) -> Result<u16, Error> {
    let address = env::var("AWS_LAMBDA_RUNTIME_API")?;
    let mut connection = TcpStream::connect(&address)?;
    write!(
        connection,
        "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.split(' ').nth(1).ok_or("no answer")?.parse()?)
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (payload, context) = event.into_parts();
    let size = payload["size"].as_u64().unwrap_or(0) as usize;
    match payload["do"].as_str().unwrap_or("") {
        "echo" => {
            let left = context.deadline().duration_since(SystemTime::now())?;
            let custom = context.client_context.as_ref().map(|client| client.custom.clone());
            Ok(json!({"got": payload, "name": context.env_config.function_name, "memory": context.env_config.memory,
                      "custom": custom, "id": context.request_id, "left": left <= Duration::from_secs(3)}))
        }
        "error" => Err("bad amount é".into()),
        "panic" => panic!("all is lost"),
        "large" => Ok("x".repeat(size).into()),
        "sleep" => {
            tokio::time::sleep(Duration::from_secs(1000)).await;
            Ok(Value::Null)
        }
        "exit" => std::process::exit(3),
        "twice" => {
            println!("first: {}", post(&context.request_id, "\"first\"")?);
            Ok("second".into())
        }
        "wrong" => Ok(post("00000000-0000-0000-0000-000000000000", "\"for somebody else\"")?.into()),
        other => Err(format!("unknown: {other}").into()),
    }
}

async fn stream(event: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let (mut sender, body) = channel();
    let fails = event.payload["do"] == "fail";
    tokio::spawn(async move {
        let _ = sender.send_data("part1\n".into()).await;
        let _ = sender.send_data("part2\n".into()).await;
        if fails {
            sender.send_error(lambda_runtime_api_client::Error::new("mid-stream"));
        }
    });
    Ok(Response::from(body))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if env::var("FAIL_INIT").is_ok() {
        eprintln!("cannot init");
        std::process::exit(3);
    }
    if env::var("STREAM").is_ok() {
        return lambda_runtime::run(service_fn(stream)).await;
    }
    lambda_runtime::run(service_fn(handler)).await
}
