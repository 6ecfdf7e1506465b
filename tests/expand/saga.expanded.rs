//! `#[saga]` on a struct and on its impl.
#[derive(Serialize, Deserialize)]
pub struct PlaceOrder {
    order_id: u64,
    items: Vec<Item>,
    gift: bool,
}
#[automatically_derived]
impl ::coord::__private::SagaKey for PlaceOrder {
    const TEMPLATE: &'static str = "order:<order_id>";
    fn codec() -> ::coord::__private::InputCodec<Self> {
        <PlaceOrder as ::coord::__private::SagaInput>::codec()
    }
    fn saga_key(
        &self,
    ) -> ::core::result::Result<::coord::__private::Key, ::coord::__private::Error> {
        let Self { order_id, .. } = self;
        {
            let value0 = &order_id;
            ::coord::__private::Renderer::new("order:<order_id>")
                .literal("order:")
                .value("order_id", value0, "")
                .finish()
        }
    }
}
///What the steps of [`PlaceOrder`] have put out, by the name of each.
#[allow(dead_code)]
pub type PlaceOrderOutputs = <PlaceOrder as ::coord::__private::Saga>::Outputs;
#[allow(dead_code)]
impl PlaceOrder
where
    PlaceOrder: ::coord::__private::SagaSteps,
{
    /// Starts the saga, or joins the one with its key, and waits for it to end. It is executed with the
    /// coordinator of the current scope, or else the installed one.
    ///
    /// Dropping the future leaves the saga to the background, where it goes on. If the process dies,
    /// another one that recovers goes on with it.
    ///
    /// # Errors
    ///
    /// `SagaError` says how the saga ended other than well, or that it could not be started.
    pub async fn run(
        self,
    ) -> ::core::result::Result<
        <Self as ::coord::__private::Saga>::Outputs,
        ::coord::__private::SagaError,
    > {
        ::coord::__private::run_saga(::core::option::Option::None, self).await
    }
    /// As `run`, with this coordinator.
    ///
    /// # Errors
    ///
    /// See `run`.
    pub async fn run_with(
        self,
        coordinator: &::coord::__private::Coordinator,
    ) -> ::core::result::Result<
        <Self as ::coord::__private::Saga>::Outputs,
        ::coord::__private::SagaError,
    > {
        ::coord::__private::run_saga(::core::option::Option::Some(coordinator), self)
            .await
    }
    /// Starts the saga in the background, or joins the one with its key. It goes on whatever becomes of the
    /// handle. Outside of a Tokio runtime it panics, as `tokio::spawn` does.
    ///
    /// # Errors
    ///
    /// `SagaError::Coordination` if there is no coordinator, a dependency is not provided, or the key
    /// cannot be rendered.
    pub fn start(
        self,
    ) -> ::core::result::Result<
        ::coord::__private::SagaHandle<Self>,
        ::coord::__private::SagaError,
    > {
        ::coord::__private::start_saga(::core::option::Option::None, self)
    }
    /// As `start`, with this coordinator.
    ///
    /// # Errors
    ///
    /// See `start`.
    pub fn start_with(
        self,
        coordinator: &::coord::__private::Coordinator,
    ) -> ::core::result::Result<
        ::coord::__private::SagaHandle<Self>,
        ::coord::__private::SagaError,
    > {
        ::coord::__private::start_saga(::core::option::Option::Some(coordinator), self)
    }
    /// The steps as a diagram: in Mermaid with its `mermaid()`, and as text when it is displayed.
    pub fn diagram() -> ::coord::__private::Diagram {
        ::coord::__private::Diagram::of::<Self>()
    }
}
impl PlaceOrder {
    /// Documentation stays.
    async fn reserve(
        &self,
        item: &Item,
        stock: &Stock,
    ) -> Result<Reservation, ShopError> {
        stock.reserve(item).await
    }
    async fn release(
        &self,
        reserve: Option<&Reservation>,
        stock: &Stock,
    ) -> Result<(), ShopError> {
        stock.release(reserve).await
    }
    async fn wrap(&self, reserve: &[Reservation]) -> Result<Paper, ShopError> {
        Ok(Paper::around(reserve))
    }
    fn is_gift(&self) -> bool {
        self.gift
    }
    async fn charge(
        &self,
        ctx: &StepContext,
        wrap: Option<&Paper>,
    ) -> Result<Charge, ShopError> {
        pay(ctx.idempotency_key(), wrap).await
    }
}
const _: () = {
    #[allow(dead_code, missing_docs, private_interfaces, unreachable_pub)]
    #[non_exhaustive]
    pub struct PlaceOrderOutputs {
        ///What `reserve` has put out, for each item.
        pub reserve: ::std::vec::Vec<
            ::coord::__private::SuccessOf<Result<Reservation, ShopError>>,
        >,
        ///What `wrap` has put out, if it was run.
        pub wrap: ::core::option::Option<
            ::coord::__private::SuccessOf<Result<Paper, ShopError>>,
        >,
        ///What `charge` has put out.
        pub charge: ::coord::__private::SuccessOf<Result<Charge, ShopError>>,
    }
    #[automatically_derived]
    impl ::core::fmt::Debug for PlaceOrderOutputs {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            #[allow(unused_imports)]
            use ::coord::__private::ShownAnyway as _;
            f.debug_struct("PlaceOrderOutputs")
                .field("reserve", ::coord::__private::Shown(&self.reserve).shown())
                .field("wrap", ::coord::__private::Shown(&self.wrap).shown())
                .field("charge", ::coord::__private::Shown(&self.charge).shown())
                .finish()
        }
    }
    impl ::coord::__private::SagaSteps for PlaceOrder {}
    #[automatically_derived]
    impl ::coord::__private::Saga for PlaceOrder {
        const NAME: &'static str = "PlaceOrder";
        type Outputs = PlaceOrderOutputs;
        fn codec() -> ::coord::__private::InputCodec<Self> {
            <PlaceOrder as ::coord::__private::SagaKey>::codec()
        }
        fn key(
            &self,
        ) -> ::core::result::Result<::coord::__private::Key, ::coord::__private::Error> {
            <PlaceOrder as ::coord::__private::SagaKey>::saga_key(self)
        }
        fn steps() -> ::std::vec::Vec<::coord::__private::Step<Self>> {
            ::core::convert::From::from([
                ::coord::__private::Step::<
                    Self,
                >::new(
                        <Result<
                            Reservation,
                            ShopError,
                        > as ::coord::__private::StepResult>::into_result,
                        "reserve",
                        |saga: &Self, call| ::std::boxed::Box::pin(async move {
                            let returned = saga
                                .reserve(
                                    {
                                        let item = &saga.items[call.item()];
                                        &*item
                                    },
                                    call.dep::<Stock>()?,
                                )
                                .await;
                            call.finish(
                                <Result<
                                    Reservation,
                                    ShopError,
                                > as ::coord::__private::StepResult>::into_result,
                                returned,
                            )
                        }),
                    )
                    .needs([::coord::__private::Dependency::of::<Stock>()])
                    .each(|saga| saga.items.len())
                    .each_is("items")
                    .undo_unknown(|saga, call| ::std::boxed::Box::pin(async move {
                        let returned = saga
                            .release(
                                call
                                    .undone_if_known(
                                        <Result<
                                            Reservation,
                                            ShopError,
                                        > as ::coord::__private::StepResult>::read,
                                    )?,
                                call.dep::<Stock>()?,
                            )
                            .await;
                        call.finish(
                            <Result<
                                (),
                                ShopError,
                            > as ::coord::__private::StepResult>::into_result,
                            returned,
                        )
                    }))
                    .undo_is("release"),
                ::coord::__private::Step::<
                    Self,
                >::new(
                        <Result<
                            Paper,
                            ShopError,
                        > as ::coord::__private::StepResult>::into_result,
                        "wrap",
                        |saga: &Self, call| ::std::boxed::Box::pin(async move {
                            let returned = saga
                                .wrap(
                                    call
                                        .outputs(
                                            <Result<
                                                Reservation,
                                                ShopError,
                                            > as ::coord::__private::StepResult>::read,
                                            0usize,
                                        )?,
                                )
                                .await;
                            call.finish(
                                <Result<
                                    Paper,
                                    ShopError,
                                > as ::coord::__private::StepResult>::into_result,
                                returned,
                            )
                        }),
                    )
                    .when(|saga, _| ::core::result::Result::Ok(saga.is_gift()))
                    .when_is("is_gift"),
                ::coord::__private::Step::<
                    Self,
                >::new(
                        <Result<
                            Charge,
                            ShopError,
                        > as ::coord::__private::StepResult>::into_result,
                        "pay",
                        |saga: &Self, call| ::std::boxed::Box::pin(async move {
                            let returned = saga
                                .charge(
                                    call.context(),
                                    call
                                        .optional(
                                            <Result<
                                                Paper,
                                                ShopError,
                                            > as ::coord::__private::StepResult>::read,
                                            1usize,
                                        )?,
                                )
                                .await;
                            call.finish_if(
                                <Result<
                                    Charge,
                                    ShopError,
                                > as ::coord::__private::StepResult>::into_result,
                                returned,
                                ShopError::is_transient,
                            )
                        }),
                    )
                    .retry(
                        &::coord::__private::RetryPolicy::fast()
                            .to_builder()
                            .max_retries(3)
                            .build(),
                    )
                    .timeout(::core::time::Duration::new(10u64, 0u32))
                    .pivot(),
            ])
        }
        #[allow(unused_variables)]
        fn outputs(
            finished: &::coord::__private::Finished<'_>,
        ) -> ::core::result::Result<Self::Outputs, ::coord::__private::Error> {
            ::core::result::Result::Ok(PlaceOrderOutputs {
                reserve: finished
                    .take_all(
                        <Result<
                            Reservation,
                            ShopError,
                        > as ::coord::__private::StepResult>::read,
                        0usize,
                    )?,
                wrap: finished
                    .take_optional(
                        <Result<
                            Paper,
                            ShopError,
                        > as ::coord::__private::StepResult>::read,
                        1usize,
                    )?,
                charge: finished
                    .take(
                        <Result<
                            Charge,
                            ShopError,
                        > as ::coord::__private::StepResult>::read,
                        2usize,
                    )?,
            })
        }
    }
    ::coord::__private::inventory::submit! {
        ::coord::__private::Registered::of:: < PlaceOrder > ()
    }
    ::coord::__private::inventory::submit! {
        ::coord::__private::Annotated::new(::coord::__private::AnnotatedKind::Saga, & [<
        PlaceOrder as ::coord::__private::SagaKey > ::TEMPLATE],
        ::core::option::Option::Some("PlaceOrder"), "",
        ::core::concat!(::core::module_path!(), "::", "PlaceOrder"))
    }
};
