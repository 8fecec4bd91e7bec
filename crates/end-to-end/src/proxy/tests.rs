use tokio::time::{Instant, timeout};

use super::*;

/// The time limit of a step, which is more than any step takes on a busy machine.
const OVERDUE: Duration = Duration::from_secs(20);

/// The time limit after which a connection counts as silent.
const SILENCE: Duration = Duration::from_millis(100);

/// Starts a server that echoes every byte.
async fn start_echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn start_proxy() -> Proxy {
    Proxy::start(start_echo_server().await).unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn receive(stream: &mut TcpStream, length: usize) -> io::Result<String> {
    let mut received = vec![0; length];
    let reading = timeout(OVERDUE, stream.read_exact(&mut received));
    reading.await.expect("a response in time")?;
    Ok(String::from_utf8(received).unwrap())
}

/// Returns whether nothing arrives for a while and the connection stays open.
async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(SILENCE, stream.read_u8()).await.is_err()
}

async fn echoes(stream: &mut TcpStream) -> bool {
    send(stream, "ping").await;
    receive(stream, 4).await.unwrap() == "ping"
}

fn is_reset(received: &io::Result<String>) -> bool {
    received
        .as_ref()
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn proxy_forwards_bytes_and_the_end_of_a_connection() {
    let proxy = start_proxy().await;
    let mut stream = connect(&proxy).await;
    assert!(echoes(&mut stream).await);
    stream.shutdown().await.unwrap();
    let ended = timeout(OVERDUE, stream.read_u8()).await.expect("the end");
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn held_bytes_arrive_after_restore() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        let mut proxy = start_proxy().await;
        let mut stream = connect(&proxy).await;
        assert!(echoes(&mut stream).await);
        proxy.set_flow(direction, Flow::Hold);
        send(&mut stream, "late").await;
        assert!(is_silent(&mut stream).await);
        proxy.restore().unwrap();
        assert_eq!(receive(&mut stream, 4).await.unwrap(), "late");
    }
}

#[tokio::test]
async fn slow_direction_delays_each_chunk() {
    let proxy = start_proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.set_flow(Direction::ToClient, Flow::Slow(SILENCE));
    let sent = Instant::now();
    assert!(echoes(&mut stream).await);
    assert!(sent.elapsed() >= SILENCE);
}

#[tokio::test]
async fn cut_resets_after_the_given_bytes() {
    let mut proxy = start_proxy().await;
    let mut stream = connect(&proxy).await;
    assert!(echoes(&mut stream).await);
    proxy.set_flow(Direction::ToClient, Flow::Cut(3));
    send(&mut stream, "response").await;
    // A reset can overtake the bytes that were sent before it.
    let mut received = String::new();
    let ended = timeout(OVERDUE, stream.read_to_string(&mut received))
        .await
        .expect("the end");
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!("res".starts_with(&received), "{received}");
    proxy.restore().unwrap();
    assert!(echoes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn restore_after_refuse_accepts_on_the_same_port() {
    let mut proxy = start_proxy().await;
    let mut stream = connect(&proxy).await;
    assert!(echoes(&mut stream).await);
    proxy.refuse().await;
    assert!(is_reset(&receive(&mut stream, 1).await));
    for _ in 0..3 {
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
    proxy.restore().unwrap();
    assert!(echoes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn reset_loses_held_bytes() {
    let mut proxy = start_proxy().await;
    let mut stream = connect(&proxy).await;
    assert!(echoes(&mut stream).await);
    proxy.set_flow(Direction::ToServer, Flow::Hold);
    send(&mut stream, "lost").await;
    assert!(is_silent(&mut stream).await);
    proxy.reset();
    proxy.restore().unwrap();
    assert!(is_reset(&receive(&mut stream, 1).await));
}

/// Reads at the server, because the reset also loses the response.
#[tokio::test(flavor = "multi_thread")]
async fn reset_then_restore_forwards_no_held_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    for _ in 0..200 {
        let mut proxy = Proxy::start(target).unwrap();
        proxy.intercept("lost", Direction::ToServer, Flow::Hold);
        let mut stream = connect(&proxy).await;
        let (mut server, _) = listener.accept().await.unwrap();
        send(&mut stream, "lost").await;
        timeout(OVERDUE, proxy.wait_until_intercepted())
            .await
            .expect("the text was sent");
        proxy.reset();
        proxy.restore().unwrap();
        let arrived = timeout(OVERDUE, server.read_u8()).await.expect("the end");
        assert_eq!(arrived.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn interception_holds_only_the_connection_that_sends_its_text() {
    let mut proxy = start_proxy().await;
    let (mut matched, mut other) = (connect(&proxy).await, connect(&proxy).await);
    proxy.intercept("secret", Direction::ToServer, Flow::Hold);
    assert!(echoes(&mut matched).await);
    // The text comes in two parts.
    send(&mut matched, "a sec").await;
    assert_eq!(receive(&mut matched, 5).await.unwrap(), "a sec");
    send(&mut matched, "ret").await;
    timeout(OVERDUE, proxy.wait_until_intercepted())
        .await
        .expect("the text was sent");
    assert!(is_silent(&mut matched).await);
    assert!(echoes(&mut other).await);
    proxy.restore().unwrap();
    assert_eq!(receive(&mut matched, 3).await.unwrap(), "ret");
}

#[tokio::test]
async fn interception_can_apply_to_the_response_only() {
    let proxy = start_proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.intercept("secret", Direction::ToClient, Flow::Cut(0));
    assert!(echoes(&mut stream).await);
    send(&mut stream, "secret").await;
    timeout(OVERDUE, proxy.wait_until_intercepted())
        .await
        .expect("there was a response");
    assert!(is_reset(&receive(&mut stream, 1).await));
    assert!(echoes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn new_interception_releases_the_last_one() {
    let proxy = start_proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.intercept("first", Direction::ToServer, Flow::Hold);
    send(&mut stream, "first").await;
    timeout(OVERDUE, proxy.wait_until_intercepted())
        .await
        .expect("the text was sent");
    proxy.intercept("second", Direction::ToServer, Flow::Hold);
    assert_eq!(receive(&mut stream, 5).await.unwrap(), "first");
    send(&mut stream, "second").await;
    timeout(OVERDUE, proxy.wait_until_intercepted())
        .await
        .expect("the text was sent");
    assert!(is_silent(&mut stream).await);
}

#[tokio::test]
async fn abandoned_connections_stay_silent_until_a_reset() {
    let mut proxy = start_proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.intercept("secret", Direction::ToServer, Flow::Hold);
    send(&mut stream, "secret").await;
    timeout(OVERDUE, proxy.wait_until_intercepted())
        .await
        .expect("the text was sent");
    proxy.abandon_intercepted();
    assert!(is_silent(&mut stream).await);
    proxy.intercept("another", Direction::ToServer, Flow::Hold);
    proxy.abandon_intercepted();
    proxy.restore().unwrap();
    assert!(is_silent(&mut stream).await);
    let mut another = connect(&proxy).await;
    send(&mut another, "secret").await;
    assert_eq!(receive(&mut another, 6).await.unwrap(), "secret");
    proxy.reset();
    assert!(is_reset(&receive(&mut stream, 1).await));
}
