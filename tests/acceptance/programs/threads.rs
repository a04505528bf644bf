// SPDX-License-Identifier: MIT
use std::sync::{Arc, Mutex};
use std::thread;

fn main() {
    let sum = Arc::new(Mutex::new(0));
    let workers: Vec<_> = (0..100)
        .map(|n| {
            let sum = Arc::clone(&sum);
            thread::spawn(move || *sum.lock().unwrap() += n)
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    std::panic::set_hook(Box::new(|_| {}));
    let panicked = thread::spawn(|| panic!("on purpose")).join().is_err();
    println!("sum {}, panicked {}", sum.lock().unwrap(), panicked);
}
